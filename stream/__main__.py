"""`python -m stream` is the command `stream`."""

from stream.cli import main

main()
