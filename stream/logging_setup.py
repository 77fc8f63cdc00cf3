"""Logs: one line an event, to standard error; JSON for machines or aligned text for people."""

import sys

import structlog


def configure(log_format: str) -> None:
    """Set the format (`json` or `console`) for the whole process. Lines carry codes, names and coordinates. Exceptions
    are rendered without their local variables, which may hold values."""
    rendered: list[structlog.typing.Processor]
    if log_format == "json":
        rendered = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        plain = structlog.dev.plain_traceback
        rendered = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamped, *rendered],
        # Looked up for each line: while a progress bar is shown it stands for sys.stderr, and puts lines above itself.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
