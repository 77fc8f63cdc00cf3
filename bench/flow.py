"""A steady flow of events into a topic, by a process that has made them all before, so that it takes little of the
machine. Run as `python -m bench.flow`; it says when it is ready, and begins when it is told to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.ground import Ground
from bench.process import heard_lines, running_module, say_line
from bench.workload import OTHERS_SEED, Workload
from stream.produce import publish


def main() -> None:
    """Make events, then publish them at a rate."""
    options = json.loads(sys.stdin.readline())
    messages = list(Workload(options["count"], options["record_name"]).messages(OTHERS_SEED))
    print("ready", flush=True)  # noqa: T201 - to the process that measures
    sys.stdin.readline()
    publish(messages, {"bootstrap.servers": options["bootstrap_servers"]}, rate=options["rate"])


@contextmanager
def flowing(ground: Ground, workload: Workload, rate: int, seconds_max: int) -> Iterator[None]:
    """Have events of the workload's record published, so many a second, for as long as the block takes, or at most so
    long."""
    options = {
        "record_name": workload.record_name,
        "count": rate * seconds_max,
        "rate": rate,
        "bootstrap_servers": ground.kafka.bootstrap_servers,
    }
    with running_module("bench.flow", options) as process:
        next(heard_lines(process), None)  # it is ready
        say_line(process, "go")
        yield


if __name__ == "__main__":
    main()
