"""The benchmark behind `make bench`: how fast a topic is drained, beside what the server and the usual code can do, and
how fast reports answer.

    cli → ground (servers, fresh tables) → workload (a topic full of events)
        → rounds of: load (the server's limit), usual (the loop that people write), drain (`stream run`),
          again (`stream verify`, `stream replay`), debezium (a peer, on row_topics)
        → stages, latency
        → rows (tables full of a year), answers (each report, beside a full scan) → report

The machine is shared and noisy, so only ratios within one run mean anything: all contenders work on the same
records and the same tables, take turns, and the median of the rounds counts.
"""
