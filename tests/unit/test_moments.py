"""Moments as people type them, and from one form into another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from stream import moments
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
def test_a_movedis_in_utc_and_without_a_zone(text: str, meant: datetime) -> None:
    assert moment(text) == meant


@pytest.mark.parametrize("text", ["yesterday", "", "12:00", "2026-02-30", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_movedis_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a moment like 2026-03-01"):
        moment(text)


@given(st.integers(0, moments.MICROS_MAX))
def test_microseconds_come_back_as_they_were(micros: int) -> None:
    moved = moments.from_micros(micros)
    assert moved.tzinfo is None
    assert moved - datetime(1970, 1, 1) == timedelta(microseconds=micros)
    assert moments.to_micros(moved) == micros
    assert moments.to_millis(moments.from_millis(micros // 1000)) == micros // 1000


def test_a_zone_is_understood() -> None:
    elsewhere = NOON.replace(tzinfo=timezone(timedelta(hours=2)))
    assert moments.to_micros(elsewhere) == moments.to_micros(NOON - timedelta(hours=2))


@pytest.mark.parametrize("micros", [-1, moments.MICROS_MAX + 1])
def test_a_movedthat_the_database_does_not_hold_becomes_the_bound(micros: int) -> None:
    assert moments.to_micros(moments.from_micros(micros)) == min(max(micros, 0), moments.MICROS_MAX)


def test_every_option_for_a_movedreads_it_alike() -> None:
    count = 0
    for name, command in commands():
        for option in (parameter for parameter in command.params if str(parameter.metavar) == "MOMENT"):
            count += 1
            with pytest.raises(typer.BadParameter, match="is not a moment like 2026-03-01"):
                command.make_context(name, [option.opts[0], "yesterday"])
    assert count == 12, "two in replay, one in offsets and in produce, eight for dead letters"
