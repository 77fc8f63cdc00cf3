"""Data as commands print it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pytest

from stream.cli.output import Format, show


@dataclass
class Line:
    name: str
    amount: Decimal
    at: datetime | None
    count: int


LINES = [
    Line('café, "x"', Decimal("1.50"), datetime(2026, 1, 2, 3, 4, 5, 600000), 3),
    Line("[bold]日本[/bold]", Decimal(0), None, 0),
]


def printed(capsys: pytest.CaptureFixture[str], output_format: Format, lines: list[Line] | None = None) -> str:
    show(LINES if lines is None else lines, output_format, empty="there is nothing")
    return capsys.readouterr().out


def test_json_holds_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, Format.JSON)) == [
        {"name": 'café, "x"', "amount": "1.50", "at": "2026-01-02 03:04:05.600000", "count": 3},
        {"name": "[bold]日本[/bold]", "amount": "0", "at": None, "count": 0},
    ]


def test_csv_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, Format.CSV))))
    assert [row["name"] for row in rows] == [line.name for line in LINES]
    assert rows[0] == {"name": 'café, "x"', "amount": "1.50", "at": "2026-01-02 03:04:05.600000", "count": "3"}
    assert rows[1]["at"] == ""


def test_a_table_shows_values_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, Format.TABLE)
    assert text.split("\n")[0].split() == ["name", "amount", "at", "count"]
    assert "[bold]日本[/bold]" in text
    assert "None" not in text


def test_a_table_shows_what_a_terminal_would_act_upon(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2J\x9b31m\r\n\u202ecod.exe [link=x]:car:"
    text = printed(capsys, Format.TABLE, [Line(name, Decimal(-1), None, 1)])
    assert r"\x1b[2J\x9b31m\r\n\u202ecod.exe [link=x]:car:" in text
    assert text.count("\n") == 2
    as_json = printed(capsys, Format.JSON, [Line(name, Decimal(-1), None, 1)])
    assert json.loads(as_json)[0]["name"] == name
    assert not set("\x1b\x9b\r\u202e") & set(as_json)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("x")', "-", "\uff1d1", "-1e5"]
)
def test_a_text_in_csv_is_no_formula(capsys: pytest.CaptureFixture[str], text: str) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, Format.CSV, [Line(text, Decimal(1), None, 1)]), newline="")))
    assert rows[0]["name"] == "'" + text


def test_a_number_in_csv_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, Format.CSV, [Line("+1", Decimal("-1.50"), None, -3)]))))
    assert (rows[0]["name"], rows[0]["amount"], rows[0]["count"]) == ("+1", "-1.50", "-3")


def test_nothing_is_said_as_such_to_people_and_is_empty_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is nothing" in printed(capsys, Format.TABLE, [])
    assert json.loads(printed(capsys, Format.JSON, [])) == []
    assert printed(capsys, Format.CSV, []) == ""


def test_a_table_in_a_pipe_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, Format.TABLE, [Line("x" * 150, Decimal(1), None, 1)])
    assert "x" * 150 in text
