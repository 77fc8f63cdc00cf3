"""Keeps MySQL true to Kafka: consumes Avro events and upserts them into MySQL, exactly once.

The folders are the layers: a folder imports only what stands above it here, and these files, the words, import nothing
but each other. `tests/unit/test_layers.py` reads this list.

    declaration   the language of a catalog file: types, events, persons, tables, streams, rollups
    catalog       the topics, a file each
    schemas       Avro schemas: framing, the store, readers, a schema registry
    stages        the pure line: bytes → datum → event → rows → statement
    kafka         all that imports Kafka's client
    mysql         all SQL that writes, and what it rests on
    quality       the checks of data quality
    reports       what analysts ask
    operate       what operators ask and decide: offsets, dead letters, erasures, checks
    produce       synthetic events
    page          the reports as one HTML page
    engine        one thread polls, lanes apply, workers look after the rest
    replay        a part of the log read again: into the tables, tried out, or compared with them
    cli           the commands
"""

__version__ = "0.1.0"
