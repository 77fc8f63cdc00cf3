"""Views are brought to what is declared, whatever became of them, and nobody else's are touched. On both servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stream.mysql import migrate, views
from stream.mysql.views import View
from stream.reports import VIEWS
from tests.databases import Database
from tests.engine.test_backup import backup, restore
from tests.sql.test_migrate import definitions

WAITING = View("waiting", "SELECT id FROM trip WHERE travel_mode = 'walking'")
DECLARED = (*VIEWS, WAITING)


@pytest.fixture
def viewed(database: Database) -> Iterator[Database]:
    """The database with a view more, which is gone afterwards."""
    migrate.upgrade(database.engine(), DECLARED)
    yield database
    migrate.upgrade(database.engine(), VIEWS)
    assert differences(database, VIEWS) == {}


def differences(database: Database, declared: tuple[View, ...]) -> dict[str, str]:
    with database.engine().connect() as connection:
        return views.differences(connection, declared)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DROP VIEW waiting", "missing"),
        ("CREATE OR REPLACE VIEW waiting AS SELECT id FROM trip", "changed by hand"),
        (
            "ALTER SQL SECURITY INVOKER VIEW waiting AS SELECT id FROM trip WHERE travel_mode = 'walking'",
            "changed by hand",
        ),
        ("DELETE FROM declared_view WHERE view_name = 'waiting'", "outdated"),
    ],
)
def test_a_view_that_is_not_as_declared_is_made_again(viewed: Database, change: str, why: str) -> None:
    before = definitions(viewed)
    assert differences(viewed, DECLARED) == {}
    viewed.execute(change)
    assert differences(viewed, DECLARED) == {"waiting": why}
    migrate.upgrade(viewed.engine(), DECLARED)
    assert differences(viewed, DECLARED) == {}
    assert definitions(viewed) == before


def test_a_view_whose_declaration_changed_is_made_again(viewed: Database) -> None:
    changed = (*VIEWS, View("waiting", "SELECT id, 'it''s 100 %H:%i' AS said FROM trip"))
    assert differences(viewed, changed) == {"waiting": "outdated"}
    assert migrate.upgrade_sql(viewed.engine(), changed).count("CREATE OR REPLACE VIEW") == 1
    migrate.upgrade(viewed.engine(), changed)
    assert differences(viewed, changed) == {}
    assert "'it\\'s 100 %H:%i' AS `said`" in definitions(viewed)["waiting"]
    assert migrate.upgrade_sql(viewed.engine(), changed) == ""


def test_only_views_of_ours_go_when_they_are_no_longer_declared(viewed: Database) -> None:
    viewed.execute("CREATE VIEW of_somebody AS SELECT id FROM trip")
    try:
        assert differences(viewed, VIEWS) == {"waiting": "no longer declared"}
        migrate.upgrade(viewed.engine(), VIEWS)
        assert {"waiting", "of_somebody"} & definitions(viewed).keys() == {"of_somebody"}
    finally:
        viewed.execute("DROP VIEW of_somebody")


def test_each_server_gets_its_own_query_where_they_differ(viewed: Database) -> None:
    declared = (*VIEWS, View("waiting", "SELECT 'MySQL' AS server", "SELECT 'MariaDB' AS server"))
    migrate.upgrade(viewed.engine(), declared)
    assert viewed.value("SELECT LOWER(server) FROM waiting") == viewed.flavour


def test_a_backup_that_is_restored_under_another_name_is_as_declared(viewed: Database) -> None:
    """MySQL writes the database's name into the text of a view."""
    elsewhere = Database(viewed.server, f"{viewed.name}_elsewhere", is_migrated=False)
    try:
        restore(elsewhere, backup(viewed))
        assert differences(elsewhere, DECLARED) == {}
    finally:
        viewed.server.drop_database(f"{viewed.name}_elsewhere")
