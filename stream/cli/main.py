"""The commands, their exit codes, and the one place where an error becomes a sentence for a person.

Exit codes: 0 done, 1 failed, 2 wrong usage, 75 try again later, 78 something has to be configured first.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated, NoReturn

import typer

import stream
from stream import logging_setup as logs
from stream.cli import (
    dead_letters,
    erase,
    freshness,
    grants,
    offsets,
    operate,
    produce,
    quality,
    replay,
    report,
    schemas,
    setup,
    verify,
)
from stream.cli.exit_codes import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_TRY_AGAIN
from stream.errors import ConfigurationError, StreamError, TransientError

app = typer.Typer(
    name="stream",
    help="Keeps MySQL true to Kafka: validates Avro events, removes duplicates and upserts them, exactly once.\n\n"
    "Settings come from the environment (STREAM_DATABASE_URL, STREAM_KAFKA_BOOTSTRAP_SERVERS, …); "
    "docs/settings.md lists them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # which leaves the lines of examples as they are
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("migrate")(setup.migrate_command)
app.command("check")(setup.check_command)
app.command("run")(operate.run_command)
app.command("lag")(operate.lag_command)
app.command("freshness")(freshness.freshness_command)
app.command("late-changes")(freshness.late_changes_command)
app.command("replay")(replay.replay_command)
app.command("verify")(verify.verify_command)
app.command("produce")(produce.produce_command)
app.command("quality")(quality.quality_command)
app.command("grants")(grants.grants_command)
app.command("erase")(erase.erase_command)
app.add_typer(setup.topics_app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(offsets.app, name="offsets")
app.add_typer(report.app, name="report")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"stream {stream.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    logs.configure(os.environ.get("STREAM_LOG_FORMAT", "console" if sys.stderr.isatty() else "json"))


def main() -> NoReturn:
    """Run the command line and end the process."""
    _leave(run())


def run() -> str | int | None:
    """Run the command line and return its exit code; an error of ours becomes a sentence, never a traceback."""
    try:
        app()
    except StreamError as error:
        typer.echo(f"stream: {error}", err=True)
        return exit_code(error)
    except SystemExit as ended:
        return ended.code
    return 0


def exit_code(error: StreamError) -> int:
    """Return the code by which an orchestrator knows what kind of error ended the process."""
    match error:
        case ConfigurationError():
            return EXIT_CONFIGURATION
        case TransientError():
            return EXIT_TRY_AGAIN
        case _:
            return EXIT_FAILED


def _leave(code: str | int | None) -> NoReturn:
    """End the process at once: a client of Kafka's may still be closing, and the interpreter must not end under it."""
    if code is not None and not isinstance(code, int):
        sys.exit(code)
    with contextlib.suppress(BrokenPipeError):  # whoever reads has had enough
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)
