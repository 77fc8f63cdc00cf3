"""A steady flow of events into a topic, by a process that has made them all before, so that it takes little of the
machine. Run as `python -m bench.flow`; it says when it is ready, and begins when it is told to.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.ground import CHECKOUT, Ground
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
    with subprocess.Popen(
        [sys.executable, "-m", "bench.flow"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(options) + "\n")
            process.stdin.flush()
            process.stdout.readline()
            process.stdin.write("go\n")
            process.stdin.flush()
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    main()
