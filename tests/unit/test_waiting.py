"""The waiting of a thread: when it is told, and how often it is logged."""

from __future__ import annotations

from structlog.testing import capture_logs

from stream.engine.metrics import Metrics
from stream.engine.waiting import ANSWER_SECONDS_TOLD, LOG_SECONDS, Waiting
from stream.errors import DatabaseUnavailable, Trouble

LOST, READ_ONLY = DatabaseUnavailable(Trouble.CONNECTION_LOST, 2013), DatabaseUnavailable(Trouble.READ_ONLY, 1290)
CLOCK = [0.0]


def waiting() -> Waiting:
    CLOCK[0] = 100.0
    return Waiting("lane-0", Metrics(), lambda: CLOCK[0])


def test_a_question_without_an_answer_is_told_within_the_question() -> None:
    lane = waiting()
    with lane.asking("MySQL"):
        CLOCK[0] += ANSWER_SECONDS_TOLD - 1
        assert lane.why() is None
        CLOCK[0] += 31
        assert lane.why() == "has waited for MySQL for 35 s"
    assert lane.why() is None


def test_a_trouble_is_told_at_once_or_once_it_lasts() -> None:
    lane = waiting()
    lane.note(LOST)
    assert (lane.why(), lane.why(5)) == (str(LOST), None)
    CLOCK[0] += 5
    lane.note(READ_ONLY)
    assert lane.why(5) == str(READ_ONLY)
    lane.end()
    assert lane.why() is None


def test_an_outage_fills_no_log_though_its_reasons_change() -> None:
    lane = waiting()
    with capture_logs() as lines:
        for attempt in range(3600):
            lane.note(READ_ONLY if attempt % 2 else LOST)
            CLOCK[0] += 1
        lane.end()
    events = [line["event"] for line in lines]
    assert events[:2] == ["trying again", "trying again"]
    assert len(events) <= 2 * 3600 / LOG_SECONDS + 1
    assert events[-1] == "works again"


def test_what_comes_and_goes_fills_no_log_either() -> None:
    lane = waiting()
    with capture_logs() as lines:
        for _ in range(600):
            lane.note(LOST)
            lane.end()
            CLOCK[0] += 0.1
    assert [line["event"] for line in lines] == ["trying again", "works again"]
