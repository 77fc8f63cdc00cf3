"""A backup taken while the service works, and restored: what came later is read again, erasures included."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from tests.balance import assert_drained
from tests.broker import Broker
from tests.consumers import CHECKOUT
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied, put, synthetic, wait_applied
from tests.events import NOON, SECOND, Datum, app_user, app_user_deleted, uuid_text
from tests.waiting import wait_for

DUMP = {
    "mysql": "mysqldump --single-transaction --no-tablespaces --set-gtid-purged=OFF",
    "mariadb": "mariadb-dump --single-transaction --no-tablespaces",
}
"""As docs/backup.md tells operators."""

FIRST_USER = 4_000_000_000
"""Beyond those of synthetic events."""


def backup(database: Database) -> bytes:
    _, *options = DUMP[database.flavour].split()
    return _run(database, "mysqldump", *options, database.name)


def restore(database: Database, dump: bytes) -> None:
    database.server.drop_database(database.name)
    database.server.create_database(database.name)
    _run(database, "mysql", database.name, given=dump)


def _run(database: Database, program: str, *arguments: str, given: bytes = b"") -> bytes:
    command = [*database.server.client(program), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def saved(*users: int) -> Iterator[tuple[str, Datum]]:
    for user in users:
        yield "AppUserSaved", app_user(user_id=FIRST_USER + user, event_id=uuid_text(user))


def deleted(*users: int) -> Iterator[tuple[str, Datum]]:
    for user in users:
        later = {"event_id": uuid_text(100 + user), "occurred_at": NOON + SECOND}
        yield "AppUserDeleted", app_user_deleted(user_id=FIRST_USER + user, **later)


def users_stored(database: Database) -> set[int]:
    rows = database.query("SELECT id FROM auth_user WHERE id > :first", first=FIRST_USER)
    return {row.id - FIRST_USER for row in rows}


def test_a_backup_from_the_middle_of_a_run_is_caught_up(
    broker: Broker, database: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish([*saved(1, 2, 3), *deleted(1)])
    consumer = start_service(database_url=database.url, batch_records_max=20)
    wait_applied(database, 4)
    put(broker, synthetic(3000, seed=61))
    wait_for(lambda: applied(database) > 300, "some progress")
    dump = backup(database)
    broker.publish([*saved(1, 4), *deleted(2)])
    wait_applied(database, 4 + 3000 + 3)
    consumer.terminate()
    consumer.assert_ends(0)
    assert users_stored(database) == {3, 4}

    restore(database, dump)
    assert 300 < applied(database) < 3000, "it was to be taken in the middle"
    assert users_stored(database) == {2, 3}, "who was erased later is back"
    start_service("--until-caught-up", database_url=database.url).assert_ends(0)
    assert users_stored(database) == {3, 4}
    assert_drained(database, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_the_commands_are_those_that_operators_are_told() -> None:
    told = (CHECKOUT / "docs" / "backup.md").read_text(encoding="utf-8")
    assert all(command in told for command in DUMP.values())
