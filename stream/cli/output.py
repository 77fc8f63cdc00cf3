"""Print data: a table for people, JSON or CSV for programs."""

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a terminal's cursor, change its colours, or turn round what stands beside them."""

FORMULA_BEGINNINGS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Beginnings by which spreadsheets take a cell for a formula; the last four are wide forms of the first ones."""

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print: a table for people, or json or csv.")]


def show(rows: Sequence[Any], output_format: Format, *, empty: str) -> None:
    """Print rows (mappings or dataclasses of one shape) to standard output, and `empty` where there are none."""
    plain = [_plain(row) for row in rows]
    match output_format:
        case Format.JSON:
            lines = json.dumps(plain, ensure_ascii=False, indent=2).split("\n")
            sys.stdout.writelines(f"{UNPRINTABLE.sub(_in_json, line)}\n" for line in lines)
        case Format.CSV:
            if plain:
                writer = csv.DictWriter(sys.stdout, fieldnames=list(plain[0]))
                writer.writeheader()
                writer.writerows({name: _harmless(value) for name, value in row.items()} for row in plain)
        case Format.TABLE:
            _show_table(plain, empty)


def _show_table(rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    # A pipe has no width of its own: there nothing is folded.
    console = Console(width=None if sys.stdout.isatty() else 240)
    if not rows:
        console.print(empty, highlight=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float | Decimal) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else _visible(str(value))) for value in row.values()))
    console.print(table, highlight=False)


def _visible(text: str) -> str:
    """The text with what a terminal would act upon written out: \\x1b for the beginning of an escape sequence."""
    return UNPRINTABLE.sub(lambda matched: ascii(matched[0])[1:-1], text)


def _in_json(matched: re.Match[str]) -> str:
    return f"\\u{ord(matched[0]):04x}"


def _harmless(value: Any) -> Any:
    """The value, behind an apostrophe where a spreadsheet would run it as a formula; numbers stay numbers."""
    is_formula = isinstance(value, str) and value.startswith(FORMULA_BEGINNINGS) and not NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def _plain(row: Any) -> dict[str, Any]:
    mapping = asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row)
    return {name: _plain_value(value) for name, value in mapping.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value
