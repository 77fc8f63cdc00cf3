"""The meanings of a command's exit code; 0 is done, and 2, wrong usage, is typer's own."""

EXIT_FAILED = 1
EXIT_TRY_AGAIN = 75
EXIT_CONFIGURATION = 78
EXIT_INTERRUPTED = 130
