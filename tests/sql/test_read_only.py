"""A server that refuses writes. The test sets the whole server so, which nobody else may use meanwhile."""

from __future__ import annotations

import pytest

from stream.errors import DatabaseUnavailable
from tests import events
from tests.databases import Database
from tests.events import trip
from tests.sql.applying import Applier


def test_a_read_only_server_is_unavailable_and_its_connection_dropped(database: Database) -> None:
    """After a failover the old primary refuses writes: the next attempt must look for the new one."""
    applier = Applier(database)

    one = applier.slice("trip", [events.record("TripRecorded", trip())])
    database.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(DatabaseUnavailable) as unavailable:
            applier.write(one)
    finally:
        database.execute("SET GLOBAL read_only = 0")
    assert unavailable.value.reason == "read_only"
    assert applier.writer._connection is None
    applier.write(one)
    assert database.count("trip") == 1
    assert database.count("dead_letter") == 0
    applier.close()
