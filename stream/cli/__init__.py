"""The command line: `stream`. Each command is a thin skin over a module of its own noun."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until all is imported, Ctrl-C has nothing to tell and just ends it
    from stream.cli.main import end_with, run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with(run())
