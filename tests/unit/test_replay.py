"""The texts of a replay, and the plan that it makes of options."""

from __future__ import annotations

import pytest

from stream import settings as config
from stream.catalog import STREAMS
from stream.cli.progress import Pace
from stream.counts import Reached
from stream.mysql.replay_runs import Effect, Run, changed_dates
from stream.records import Range
from stream.replay.replay import engine_options
from tests.commands import run_command

SETTINGS = {"STREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "STREAM_DATABASE_URL": "mysql+pymysql://a:b@127.0.0.1:1/c"}


def test_dates_are_told_where_their_rows_differ_only() -> None:
    before = {"trip": {"2026-03-01": 5, "2026-03-02": 7, "2026-03-03": 1}}
    after = {"trip": {"2026-03-01": 5, "2026-03-02": 9, "2026-03-04": 2}, "user_rating": {}}
    assert changed_dates(before, after) == [
        Effect("rows by date", "trip", "2026-03-02", "before", 7),
        Effect("rows by date", "trip", "2026-03-02", "after", 9),
        Effect("rows by date", "trip", "2026-03-03", "before", 1),
        Effect("rows by date", "trip", "2026-03-03", "after", 0),
        Effect("rows by date", "trip", "2026-03-04", "before", 0),
        Effect("rows by date", "trip", "2026-03-04", "after", 2),
    ]


def test_the_pace_of_a_resumed_run_is_that_of_this_process() -> None:
    now = 100.0
    pace = Pace(lambda: now)
    assert pace.observe(Reached(500, 1000)) == (0.0, None)
    now = 110.0
    assert pace.observe(Reached(600, 1000)) == (10.0, 40.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which topic"),
        (["--topic", "trip", "--from-offset", "5"], "one --partition"),
        (["--topic", "trip", "--partition", "1", "--from-offset", "5", "--to-time", "2026-03-01"], "go together"),
        (["--topic", "trip", "--from-time", "yesterday"], "not a moment"),
        (["--resume", "20260301-120000-abcd", "--topic", "trip"], "keeps its plan"),
    ],
)
def test_bounds_that_mean_nothing_are_refused(arguments: list[str], said: str) -> None:
    done = run_command(SETTINGS, "replay", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_every_topic_can_be_named() -> None:
    done = run_command(SETTINGS, "replay", "--topic", "no.such.topic")
    assert done.returncode == 1
    assert all(topic in done.stderr for topic in STREAMS)


@pytest.mark.parametrize("rewrites", [True, False])
def test_a_run_that_goes_on_rewrites_as_it_began(rewrites: bool) -> None:
    run = Run("20260301-120000-3fa2", [Range("trip", 3, "id", 0, 10)], rewrites, {})
    assert engine_options(config.load(SETTINGS), run).rewrites is rewrites


def test_a_partition_that_stops_in_a_replay_is_told_to_resume_the_replay() -> None:
    """`stream offsets accept` would move the live group instead."""
    run = Run("20260301-120000-3fa2", [Range("trip", 3, "id", 0, 10)], False, {})
    remedy = engine_options(config.load(SETTINGS), run).stop_remedy
    assert "stream replay --resume 20260301-120000-3fa2" in remedy.format(partition="trip/3")
    assert "offsets accept" not in remedy
