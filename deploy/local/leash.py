"""Run a program that dies with the process that started it, even when that one is killed with -9.

    python -I -S leash.py PARENT_PID PROGRAM ARGUMENTS…

The kernel is asked to kill this process when its parent ends, then the program takes its place: same pid,
and the wish outlives the exchange. A script of its own and not a `preexec_fn`, for that runs Python between
fork and exec, which can hang when the parent has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Put on the leash and become the program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(sys.argv[1]):  # else the parent died before the leash was on
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
