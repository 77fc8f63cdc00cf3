"""The command line: `stream`. Each command is a thin skin over a module of its own noun."""

from stream.cli.main import main

__all__ = ["main"]
