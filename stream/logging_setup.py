"""Logs: one line an event, to standard error; JSON for machines or aligned text for people."""

from __future__ import annotations

import sys

import structlog


def configure(log_format: str) -> None:
    """Set the format (`json` or `console`) for the whole process. Lines carry codes, names and coordinates. Exceptions
    are rendered without their local variables, which may hold values."""
    as_json = log_format == "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        # Looked up for each line: while a progress bar is shown it stands for sys.stderr, and puts lines above itself.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
