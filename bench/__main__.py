"""The entry of `python -m bench`, which is the same as `make bench`."""

from bench.cli import app

app()
