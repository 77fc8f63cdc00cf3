"""Moments on the command line: one way to type them, and one meaning, UTC where no zone is named."""

from datetime import datetime
from typing import Any

import typer

from stream import moments


def moment(text: str) -> datetime:
    """The moment of a text in ISO 8601, such as 2026-03-01 or 2026-03-01T12:00:00+02:00, in UTC and without a zone.

    Raises BadParameter for any other text.
    """
    try:
        return moments.parse(text)
    except (ValueError, OverflowError):  # OverflowError: in UTC it is before year 1, or after 9999
        raise typer.BadParameter(
            f"{text} is not a moment like 2026-03-01, 2026-03-01T12:00:00 (UTC) or 2026-03-01T12:00:00+02:00"
        ) from None


def moment_option(*names: str, help: str) -> Any:  # noqa: A002 - as typer calls it
    """An option that takes a moment."""
    return typer.Option(*names, parser=moment, metavar="MOMENT", help=f"{help} UTC where no zone is named.")
