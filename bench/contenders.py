"""The contenders by name, in the order in which they take their turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.again import replay, verify
from bench.debezium import drain_by_debezium
from bench.drain import drain
from bench.ground import Ground
from bench.load import RowFile, load
from bench.run import Run
from bench.usual import drain_as_usual
from bench.workload import Tell, Workload
from deploy.local import Registry

LOAD_ONE = "LOAD DATA, 1 connection"
LOAD_TWO = "LOAD DATA, 2 connections"
USUAL = "the usual loop"
STREAM = "stream"
ONE_LANE = "stream, 1 lane"
TWO_PROCESSES = "stream, 2 processes"
VERIFY = "verify"
REPLAY = "replay, rows there"
BACKFILL = "replay, empty tables"
MILLION = "stream, a million"
DEBEZIUM = "Debezium, warm"

Contender = Callable[[Tell], Run]


def contenders(
    ground: Ground, workload: Workload, files: Sequence[RowFile], settings: Mapping[str, str]
) -> dict[str, Contender]:
    """Everybody who needs nothing but the workload's topic, or `files` of its rows."""
    one_lane = {**settings, "STREAM_LANES": "1"}
    return {
        LOAD_ONE: lambda tell: load(LOAD_ONE, ground, workload, files, 1, tell),
        LOAD_TWO: lambda tell: load(LOAD_TWO, ground, workload, files, 2, tell),
        USUAL: lambda tell: drain_as_usual(USUAL, ground, workload, tell),
        STREAM: lambda tell: drain(STREAM, ground, workload, settings, tell),
        # In this order, right behind the live drain, whose tables the first two read.
        VERIFY: lambda tell: verify(VERIFY, ground, workload, settings, tell),
        REPLAY: lambda tell: replay(REPLAY, ground, workload, settings, tell, is_fresh=False),
        BACKFILL: lambda tell: replay(BACKFILL, ground, workload, settings, tell, is_fresh=True),
        ONE_LANE: lambda tell: drain(ONE_LANE, ground, workload, one_lane, tell),
        TWO_PROCESSES: lambda tell: drain(TWO_PROCESSES, ground, workload, one_lane, tell, process_count=2),
    }


def peers(
    ground: Ground, workload: Workload, files: Sequence[RowFile], settings: Mapping[str, str], registry: Registry
) -> dict[str, Contender]:
    """The quickest peer, which needs topics of rows and a registry, and those that it is compared with."""
    every = contenders(ground, workload, files, settings)
    return {
        **{name: every[name] for name in (LOAD_TWO, USUAL, STREAM, TWO_PROCESSES)},
        DEBEZIUM: lambda tell: drain_by_debezium(DEBEZIUM, ground, workload, registry, tell),
    }
