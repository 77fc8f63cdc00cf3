"""Migrations bring about what the catalog declares, on both servers, and can be taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from stream.catalog import METADATA
from stream.errors import ConfigurationError
from stream.mysql import migrate
from stream.operate import check
from stream.paths import MIGRATIONS_FOLDER
from stream.reports import REPORTS
from tests.databases import Database


@pytest.fixture
def bare(database: Database) -> Iterator[Database]:
    """A database of its own, for tests that change tables."""
    made = Database(database.server, "stream_migrate")
    yield made
    database.server.drop_database("stream_migrate")


def tables(database: Database) -> set[str]:
    return _shown(database, "BASE TABLE") - {"alembic_version"}


def definitions(database: Database) -> dict[str, str]:
    """Each table and view as the server would create it."""
    return {
        name: next(iter(database.query(f"SHOW CREATE TABLE `{name}`")))._mapping[f"Create {kind}"]
        for kind, names in (("Table", tables(database)), ("View", views(database)))
        for name in names
    }


def views(database: Database) -> set[str]:
    return _shown(database, "VIEW")


def _shown(database: Database, kind: str) -> set[str]:
    return {row[0] for row in database.query("SHOW FULL TABLES WHERE Table_type = :kind", kind=kind)}


def test_migrated_tables_are_as_declared(database: Database) -> None:
    with database.engine().connect() as connection:
        assert migrate.differences(connection) == []
        assert migrate.pending(connection) == []
    reported = {report.view for report in REPORTS.values() if report.view}
    assert views(database) == {"freshness", "telegram_user_with_stream", "user_data_with_history", *reported}
    check.require_fit_database(database.url)


@pytest.mark.parametrize(
    ("table", "hint"), [("trip", "_trip.py is there already"), ("tirp", "no table tirp is declared")]
)
def test_a_draft_is_refused_for_a_table_that_is_migrated_or_not_declared(table: str, hint: str) -> None:
    before = sorted(MIGRATIONS_FOLDER.rglob("*.py"))
    with pytest.raises(ConfigurationError, match=hint):
        migrate.write_draft(table)
    assert sorted(MIGRATIONS_FOLDER.rglob("*.py")) == before


def test_what_differs_is_found(bare: Database) -> None:
    bare.execute("ALTER TABLE trip MODIFY travel_mode VARCHAR(31) COLLATE utf8mb4_bin NOT NULL")
    bare.execute("ALTER TABLE user_rating DROP COLUMN feedback")
    bare.execute("DROP INDEX ix_trip_started_on ON trip")
    bare.execute("ALTER TABLE auth_user MODIFY email VARCHAR(512) COMMENT 'something else'")
    with bare.engine().connect() as connection:
        differences = "\n".join(migrate.differences(connection))
    assert "travel_mode" in differences
    assert "feedback" in differences
    assert "ix_trip_started_on" in differences
    assert "email" in differences


def test_migrations_can_be_taken_back_and_run_again(bare: Database) -> None:
    engine = bare.engine()
    assert tables(bare) == set(METADATA.tables)
    before = definitions(bare)
    migrate.downgrade(engine, "base")
    assert (tables(bare), views(bare)) == (set(), set())
    with engine.connect() as connection:
        assert len(migrate.pending(connection)) == len(list((MIGRATIONS_FOLDER / "versions").glob("*.py")))
    with pytest.raises(ConfigurationError, match="stream migrate"):
        check.require_fit_database(bare.url)
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    assert tables(bare) == set(METADATA.tables)
    assert definitions(bare) == before


def test_a_migration_that_fails_leaves_nothing_half_made(bare: Database) -> None:
    """All before it are done, it is not, and when the obstacle is gone the rest follows."""
    engine = bare.engine()
    before = definitions(bare)
    migrate.downgrade(engine, "base")
    bare.execute("CREATE TABLE trip (obstacle INT)")
    with pytest.raises(OperationalError):
        migrate.upgrade(engine)
    with engine.connect() as connection:
        assert migrate.pending(connection)[0].startswith("0007 Create trip:")
    assert tables(bare) == {
        "progress",
        "ledger",
        "dead_letter",
        "erasure",
        "hntb_bytemark_pass",
        "bytemark_pass",
        "trip",
    }
    bare.execute("DROP TABLE trip")
    migrate.upgrade(engine)
    assert definitions(bare) == before


def test_the_sql_of_a_dry_run_does_what_the_migrations_do(bare: Database) -> None:
    engine = bare.engine()
    before = definitions(bare)
    migrate.downgrade(engine, "base")
    script = migrate.upgrade_sql(engine)
    assert tables(bare) == set(), "a dry run changes nothing"
    bare.execute("DROP TABLE IF EXISTS alembic_version")
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(text(statement.replace(":", "\\:")))
    with engine.connect() as connection:
        assert migrate.differences(connection) == []
        assert migrate.pending(connection) == []
    assert definitions(bare) == before


def test_each_migration_is_one_statement_of_ddl() -> None:
    """MySQL's DDL is not transactional: of two in one revision the first would stay where the second fails."""

    for path in sorted((MIGRATIONS_FOLDER / "versions").glob("*.py")):
        upgrade = path.read_text().partition("def upgrade")[2].partition("def downgrade")[0]
        assert len(re.findall(r"\bop\.(?!get_context\(\))", upgrade)) == 1, path.name
