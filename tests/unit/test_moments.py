"""Moments as people type them."""

from __future__ import annotations

from datetime import datetime

import pytest
import typer

from stream.cli.moments import moment
from tests.unit.test_cli import commands

NOON = datetime(2026, 3, 1, 12)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-01", datetime(2026, 3, 1)),
        ("2026-03-01T12:00:00", NOON),
        ("2026-03-01 12:00", NOON),
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("2026-02-28T23:30:00-12:30", NOON),
        ("2026-03-01T12:00:00.000250Z", NOON.replace(microsecond=250)),
    ],
)
def test_a_moment_is_in_utc_and_without_a_zone(text: str, meant: datetime) -> None:
    assert moment(text) == meant


@pytest.mark.parametrize("text", ["yesterday", "", "12:00", "2026-02-30", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a moment like 2026-03-01"):
        moment(text)


def test_every_option_for_a_moment_reads_it_alike() -> None:
    count = 0
    for name, command in commands():
        for option in (parameter for parameter in command.params if str(parameter.metavar) == "MOMENT"):
            count += 1
            with pytest.raises(typer.BadParameter, match="is not a moment like 2026-03-01"):
                command.make_context(name, [option.opts[0], "yesterday"])
    assert count == 12, "two in replay, one in offsets and in produce, eight for dead letters"
