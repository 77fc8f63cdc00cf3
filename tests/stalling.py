"""Stop one thread of a process and let the others live, as a slow call or a debugger would."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

PTRACE_SEIZE = 0x4206  # <linux/ptrace.h>
PTRACE_INTERRUPT = 0x4207
PTRACE_DETACH = 17
WAIT_FOR_ANY_CHILD_OR_THREAD = 0x40000000  # __WALL of <linux/wait.h>

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long


@contextmanager
def stalled_main_thread(pid: int) -> Iterator[None]:
    """The main thread of a child of ours stands still within the block; its other threads go on.

    They go on only until they need what it holds: if it holds Python's lock, Python's threads stand still as well.
    """
    _ptrace(PTRACE_SEIZE, pid)
    try:
        _ptrace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, WAIT_FOR_ANY_CHILD_OR_THREAD)
        yield
    finally:
        _ptrace(PTRACE_DETACH, pid)


def _ptrace(request: int, pid: int) -> None:
    if _LIBC.ptrace(request, pid, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
