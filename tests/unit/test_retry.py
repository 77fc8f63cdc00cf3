"""A lane's attempts: whose answer ends which trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from stream.engine.metrics import Metrics
from stream.engine.retry import Retry
from stream.engine.waiting import Waiting
from stream.errors import DatabaseUnavailable, Fenced, KafkaUnavailable, Trouble

READ_ONLY = DatabaseUnavailable(Trouble.READ_ONLY, 1290)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting("lane-0", Metrics())


@pytest.fixture
def retry(waiting: Waiting) -> Retry:
    return Retry(waiting, threading.Event(), keep_alive=lambda: None)


def failing(error: Exception, times: int = 1) -> Callable[[], str]:
    left = [error] * times

    def attempt() -> str:
        if left:
            raise left.pop()
        return "done"

    return attempt


def answer(*_: Any) -> str:
    return "done"


@pytest.mark.parametrize("is_ping", [False, True], ids=["work", "ping"])
def test_what_another_answers_ends_no_trouble(waiting: Waiting, retry: Retry, *, is_ping: bool) -> None:
    """/readyz would be ready for a moment, and the log say that it works again."""
    retry.once("MySQL", failing(READ_ONLY), is_ping=is_ping)
    retry("Kafka", answer, while_=lambda: True)
    assert waiting.why() == str(READ_ONLY)
    retry("MySQL", answer, while_=lambda: True)
    assert waiting.why() is None


def test_a_ping_ends_the_trouble_of_pings_and_not_that_of_work(waiting: Waiting, retry: Retry) -> None:
    retry.once("MySQL", failing(READ_ONLY), is_ping=True)
    retry.once("MySQL", answer, is_ping=True)
    assert waiting.why() is None
    retry.once("MySQL", failing(READ_ONLY))
    retry.once("MySQL", answer, is_ping=True)
    assert waiting.why() == str(READ_ONLY)
    retry.once("MySQL", answer)
    assert waiting.why() is None


def test_what_was_tried_again_and_works_is_over_whatever_was_before(waiting: Waiting, retry: Retry) -> None:
    retry.once("MySQL", failing(READ_ONLY))
    retry("Kafka", failing(KafkaUnavailable("the brokers are away")), while_=lambda: True)
    assert waiting.why() is None


def test_what_is_no_longer_tried_is_no_trouble_any_more(waiting: Waiting, retry: Retry) -> None:
    errors = [Fenced([]), READ_ONLY]

    def attempt() -> str:
        raise errors.pop()

    with pytest.raises(Fenced):
        retry("MySQL", attempt, while_=lambda: True)
    assert waiting.why() is None
    assert retry("MySQL", failing(READ_ONLY, 3), while_=iter([True, False]).__next__) is None
    assert waiting.why() is None
