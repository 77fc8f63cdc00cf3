"""The tree of errors: what happens next is decided by type, and no message can hold a value."""

from __future__ import annotations

import inspect

import pytest

from stream import errors
from stream.declaration.service_tables import DEAD_LETTER
from stream.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    Fenced,
    Reason,
    Rejection,
    Stage,
    StreamError,
    TerminalError,
    TransactionConflict,
    TransientError,
    Trouble,
)
from stream.records import TopicPartition

KINDS = (ConfigurationError, TransientError, DataRefused, TerminalError, Rejection)


def declared() -> list[type[StreamError]]:
    classes = filter(inspect.isclass, vars(errors).values())
    return [error for error in classes if issubclass(error, StreamError) and error is not StreamError]


def test_every_error_is_of_exactly_one_kind() -> None:
    for error in declared():
        assert sum(issubclass(error, kind) for kind in KINDS) == 1, error


def test_the_tree_in_the_docstring_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    for error in declared():
        if error.__module__ == errors.__name__:
            assert f"── {error.__name__}" in drawn, error


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable(Trouble.CONNECTION_LOST, 2013),
        TransactionConflict(Trouble.DEADLOCK, 1213),
        Fenced([TopicPartition("trip", 3)]),
    ],
)
def test_what_is_tried_again_is_transient(error: StreamError) -> None:
    assert isinstance(error, TransientError)
    assert error.reason


def test_each_transient_error_has_a_trouble() -> None:
    kinds = [error for error in declared() if issubclass(error, TransientError) and error is not TransientError]
    assert len(kinds) >= 6
    for kind in kinds:
        assert isinstance(vars(kind).get("reason"), Trouble) or "reason" in inspect.signature(kind).parameters, kind


def test_each_trouble_is_a_code_and_comes_with_what_to_do() -> None:
    for trouble in Trouble:
        assert trouble.replace("_", "").isalpha()
        assert len(trouble.note) > 20
    assert "errno" in Trouble.UNKNOWN.note


def test_a_fence_names_the_partitions() -> None:
    assert "trip/3" in str(Fenced([TopicPartition("trip", 3)]))


def test_a_rejection_says_stage_reason_and_field() -> None:
    rejection = Rejection(Stage.VALIDATE, Reason.TOO_LONG, "feedback")
    assert str(rejection) == "validate: too_long (field feedback)"
    assert str(Rejection(Stage.DECODE, Reason.TRUNCATED)) == "decode: truncated"


def test_reasons_fit_their_column() -> None:

    assert max(map(len, Reason)) <= DEAD_LETTER.c.reason.type.length  # type: ignore[attr-defined]
    assert max(map(len, Stage)) <= DEAD_LETTER.c.stage.type.length  # type: ignore[attr-defined]
