"""Locks that the server keeps by name: of all processes a single one has each at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

NAME_CHARACTERS_MAX = 64
"""Servers allow no more."""


@contextmanager
def held(connection: Connection, task: str) -> Iterator[bool]:
    """Whether this connection has the lock of a task on its database while the block runs: it doesn't wait for another
    that has it. A process that dies or freezes loses the lock with its connection."""
    name = func.left(func.concat(f"stream {task} ", func.database()), NAME_CHARACTERS_MAX)
    with connection.begin():
        is_ours = bool(connection.execute(select(func.get_lock(name, 0))).scalar_one())
    yield is_ours
    # Not where the block raises: then the connection is closed, if it isn't already.
    if is_ours:
        with connection.begin():
            connection.execute(select(func.release_lock(name)))
