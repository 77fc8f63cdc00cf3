"""Print data: a table for people, JSON or CSV for programs."""

import csv
import json
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
            sys.stdout.write(json.dumps(plain, ensure_ascii=False, indent=2) + "\n")
        case Format.CSV:
            if plain:
                writer = csv.DictWriter(sys.stdout, fieldnames=list(plain[0]))
                writer.writeheader()
                writer.writerows(plain)
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
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table, highlight=False, markup=False)


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
