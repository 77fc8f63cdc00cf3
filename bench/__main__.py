"""Makes `python -m bench` the same as `make bench`."""

from bench.cli import app

app()
