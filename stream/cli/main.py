"""The command line, its exit codes, and the one place where an error becomes a sentence for a person.

Exit codes: 0 done, 1 failed, 2 wrong usage, 75 try again later, 78 something has to be configured first, 130 Ctrl-C.
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import stream
from stream.cli.commands import Commands
from stream.cli.exit_codes import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TRY_AGAIN
from stream.cli.process import return_memory
from stream.errors import ConfigurationError, StreamError, TransientError

DEBUG = "STREAM_DEBUG"

app = typer.Typer(
    name="stream",
    cls=Commands,
    help="Keeps MySQL true to Kafka: validates Avro events, removes duplicates and upserts them, exactly once.\n\n"
    "Settings come from the environment (STREAM_DATABASE_URL, STREAM_KAFKA_BOOTSTRAP_SERVERS, …); "
    "docs/settings.md lists them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # which leaves the lines of examples as they are
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    from stream import logging_setup  # here, for it takes as long as all else of `stream --help`

    return_memory()
    logging_setup.configure(os.environ.get("STREAM_LOG_FORMAT", "console" if sys.stderr.isatty() else "json"))


def run() -> str | int | None:
    """Run the command line and return its exit code; an error of ours becomes a sentence, never a traceback."""
    try:
        app()
    except StreamError as error:
        todo = f"; todo: {error.reason.note}" if isinstance(error, TransientError) else ""
        typer.echo(f"stream: {error}{todo}", err=True)
        return exit_code(error)
    except SystemExit as ended:
        return ended.code
    except KeyboardInterrupt:
        typer.echo("stream: interrupted", err=True)
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a fault of ours: people get a sentence all the same
        typer.echo(traceback.format_exc() if DEBUG in os.environ else f"stream: {_confession(error)}", err=True)
        return EXIT_FAILED
    return 0


def _confession(error: Exception) -> str:
    """A sentence about a fault of ours: class and line, for the text of an error may hold values."""
    package = Path(stream.__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(package)]
    where = f" in {Path(ours[-1].filename).relative_to(package.parent)}:{ours[-1].lineno}" if ours else ""
    return (
        f"a fault of ours: {type(error).__name__}{where}. Please tell us; {DEBUG}=1 shows the traceback, which may "
        "hold values of records"
    )


def exit_code(error: StreamError) -> int:
    """Return the code by which an orchestrator knows what kind of error ended the process."""
    match error:
        case ConfigurationError():
            return EXIT_CONFIGURATION
        case TransientError() if error.reason.is_lasting:
            return EXIT_CONFIGURATION
        case TransientError():
            return EXIT_TRY_AGAIN
        case _:
            return EXIT_FAILED


def end_with(code: str | int | None) -> NoReturn:
    """End the process at once: a client of Kafka's may still be closing, and the interpreter must not end under it."""
    if code is not None and not isinstance(code, int):
        sys.exit(code)
    with contextlib.suppress(BrokenPipeError):  # whoever reads has had enough
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)
