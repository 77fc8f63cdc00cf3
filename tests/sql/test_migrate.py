"""Migrations bring about what the catalog declares, on both servers, and can be taken back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from migrations import draft
from stream.catalog import METADATA
from stream.errors import ConfigurationError
from stream.mysql import migrate, views
from stream.mysql import tables as tables_of
from stream.operate import check
from stream.paths import MIGRATIONS_FOLDER
from stream.reports import VIEWS
from tests.commands import run_command
from tests.databases import Database

REVISIONS = sorted((MIGRATIONS_FOLDER / "versions").glob("*.py"))
BASELINE = MIGRATIONS_FOLDER / "versions" / "0001_baseline.sql"


@pytest.fixture
def bare(database: Database) -> Iterator[Database]:
    """A database of its own, for tests that change tables."""
    made = Database(database.server, f"{database.name}_migrate")
    yield made
    database.server.drop_database(f"{database.name}_migrate")


@pytest.fixture
def fresh(database: Database) -> Iterator[Database]:
    """A database in which nothing is."""
    made = Database(database.server, f"{database.name}_fresh", is_migrated=False)
    yield made
    database.server.drop_database(f"{database.name}_fresh")


def tables(database: Database) -> set[str]:
    return _shown(database, "BASE TABLE") - {"alembic_version"}


def definitions(database: Database) -> dict[str, str]:
    """Each table and view as the server would create it, whatever number a test's rows left it at."""
    shown = {
        name: next(iter(database.query(f"SHOW CREATE TABLE `{name}`")))._mapping[f"Create {kind}"]
        for kind, names in (("Table", tables(database)), ("View", shown_views(database)))
        for name in names
    }
    return {name: re.sub(r" AUTO_INCREMENT=\d+", "", definition) for name, definition in shown.items()}


def shown_views(database: Database) -> set[str]:
    return _shown(database, "VIEW")


def _shown(database: Database, kind: str) -> set[str]:
    return {row[0] for row in database.query("SHOW FULL TABLES WHERE Table_type = :kind", kind=kind)}


def assert_as_declared(database: Database) -> None:
    with database.engine().connect() as connection:
        assert tables_of.differences(connection) == []
        assert migrate.pending(connection) == []
        assert views.differences(connection, VIEWS) == {}


def test_migrated_tables_and_views_are_as_declared(database: Database) -> None:
    assert_as_declared(database)
    assert tables(database) == set(METADATA.tables)
    assert shown_views(database) == {view.name for view in VIEWS}
    check.require_fit_database(database.url)


@pytest.mark.parametrize(
    ("table", "hint"), [("trip", "0001_baseline.sql creates trip already"), ("tirp", "no table tirp is declared")]
)
def test_a_draft_is_refused_for_a_table_that_is_migrated_or_not_declared(table: str, hint: str) -> None:
    before = sorted(MIGRATIONS_FOLDER.rglob("*.py"))
    with pytest.raises(ConfigurationError, match=hint):
        draft.write(table)
    assert sorted(MIGRATIONS_FOLDER.rglob("*.py")) == before


def test_what_differs_is_found(bare: Database) -> None:
    bare.execute("ALTER TABLE trip MODIFY travel_mode VARCHAR(31) COLLATE utf8mb4_bin NOT NULL")
    bare.execute("ALTER TABLE user_rating DROP COLUMN feedback")
    bare.execute("DROP INDEX ix_trip_started_on ON trip")
    bare.execute("ALTER TABLE auth_user MODIFY email VARCHAR(64)")
    bare.execute("ALTER TABLE trip MODIFY user_id BIGINT UNSIGNED NULL")
    bare.execute("CREATE UNIQUE INDEX by_hand ON user_label (name)")
    bare.execute("ALTER TABLE user_label ADD COLUMN shelf INT NOT NULL")
    bare.execute("ALTER TABLE users MODIFY clerk_id VARCHAR(64) COLLATE utf8mb4_unicode_ci NOT NULL")
    bare.execute("ALTER TABLE points_transaction ENGINE = MyISAM")
    bare.execute("ALTER TABLE token_transaction ADD CONSTRAINT of_campaign FOREIGN KEY (id) REFERENCES campaign (id)")
    with bare.engine().connect() as connection:
        harmful = tables_of.harmful(connection)
    parts = (
        "travel_mode",
        "feedback",
        "ix_trip_started_on",
        "email",
        "trip user_id",
        "by_hand",
        "shelf",
        "users.clerk_id",
        "MyISAM",
        "of_campaign",
    )
    assert {part for part in parts if not any(part in each for each in harmful)} == set()
    with pytest.raises(ConfigurationError, match=r"tables: .*MyISAM"):
        check.require_fit_database(bare.url)


def test_what_somebody_added_is_a_remark(bare: Database) -> None:
    """And keeps nobody from starting."""
    bare.execute("CREATE TABLE of_somebody (id INT)")
    bare.execute("CREATE UNIQUE INDEX wider ON campaign (ap_campaign_id, name)")
    bare.execute("ALTER TABLE trip ADD CONSTRAINT of_mode CHECK (travel_mode <> 'sled')")
    bare.execute("CREATE INDEX plain ON trip (travel_mode, user_id)")
    bare.execute("ALTER TABLE trip ADD COLUMN remark TEXT, ADD COLUMN flag INT NOT NULL DEFAULT 0")
    bare.execute("ALTER TABLE trip ADD COLUMN doubled BIGINT AS (user_id * 2), COMMENT 'ours'")
    bare.execute("ALTER TABLE auth_user MODIFY email VARCHAR(700) COMMENT 'something else'")
    bare.execute("CREATE TRIGGER watching AFTER INSERT ON trip FOR EACH ROW SET @seen = 1")
    check.require_fit_database(bare.url)
    remarks = [finding for finding in check.check_database(bare.url) if finding.subject == "added by hand"]
    assert all(finding.is_right for finding in remarks)
    (remark,) = remarks
    parts = ("wider", "of_mode", "plain", "remark", "flag", "doubled", "email", "watching")
    assert {part for part in parts if part not in remark.state} == set()
    assert "of_somebody" not in remark.state
    assert "watching" in remark.state


def test_migrations_can_be_taken_back_and_run_again(bare: Database) -> None:
    engine = bare.engine()
    before = definitions(bare)
    migrate.downgrade(engine, "base")
    assert bare.query("SHOW TABLES") == []
    with engine.connect() as connection:
        assert len(migrate.pending(connection)) == len(REVISIONS)
    with pytest.raises(ConfigurationError, match="stream migrate"):
        check.require_fit_database(bare.url)
    migrate.upgrade(engine, VIEWS)
    migrate.upgrade(engine, VIEWS)
    assert_as_declared(bare)
    assert definitions(bare) == before


class Killed(Exception):
    """The process ends, right after the server has run a statement."""


DEATHS = (
    "CREATE TABLE alembic_version",
    *(f"CREATE TABLE IF NOT EXISTS {name} " for name in ("progress", "trip", "message_recipients", "declared_view")),
    "INSERT INTO alembic_version",
    *(f"CREATE OR REPLACE VIEW {view.name} " for view in (VIEWS[0], VIEWS[1], VIEWS[-1])),
    "REPLACE INTO declared_view",
)
"""Statements in the order in which `stream migrate` runs them."""


def test_a_migration_that_dies_half_way_is_run_again(fresh: Database, database: Database) -> None:
    for last in DEATHS:

        def die(_connection: Any, _cursor: Any, statement: str, *_rest: Any, last: str = last) -> None:
            if last in " ".join(statement.split()):
                raise Killed

        event.listen(fresh.engine(), "after_cursor_execute", die)
        with pytest.raises(Killed):
            migrate.upgrade(fresh.engine(), VIEWS)
        event.remove(fresh.engine(), "after_cursor_execute", die)
        if "TABLE" in last:
            with pytest.raises(ConfigurationError, match="stream migrate"):
                check.require_fit_database(fresh.url)
    migrate.upgrade(fresh.engine(), VIEWS)
    assert_as_declared(fresh)
    assert definitions(fresh) == definitions(database)


def test_a_table_that_no_migration_made_is_left_alone(fresh: Database, database: Database) -> None:
    """Nothing is done while it is in the way; when it is gone, all is."""
    fresh.execute("CREATE TABLE trip (obstacle INT)")
    for act in (migrate.upgrade, migrate.upgrade_sql):
        with pytest.raises(ConfigurationError, match="tables or views that no migration made: trip;"):
            act(fresh.engine(), VIEWS)
    assert tables(fresh) == {"trip"}
    fresh.execute("DROP TABLE trip")
    migrate.upgrade(fresh.engine(), VIEWS)
    assert definitions(fresh) == definitions(database)


def test_a_newer_database_is_written_to_and_never_migrated(bare: Database) -> None:
    bare.execute("UPDATE alembic_version SET version_num = '0999'")
    bare.execute("CREATE TABLE newer (id INT)")
    bare.execute("DROP VIEW freshness")
    check.require_fit_database(bare.url)
    assert all(finding.is_right for finding in [*check.check_database(bare.url), *check.check_views(bare.url)])
    done = run_command({"STREAM_DATABASE_URL": bare.url}, "migrate")
    assert done.returncode == 78
    assert "migration 0999, which this" in done.stderr
    bare.execute("ALTER TABLE user_rating DROP COLUMN feedback")
    with pytest.raises(ConfigurationError, match=r"tables: .*feedback"):
        check.require_fit_database(bare.url)


def test_one_process_at_a_time_migrates(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0)
    with migrate._session(fresh.engine()):
        done = run_command({"STREAM_DATABASE_URL": fresh.url}, "migrate")
    assert done.returncode == 75
    assert "migration_under_way" in done.stderr
    assert tables(fresh) == set()
    monkeypatch.undo()
    with migrate._session(fresh.engine()) as (connection, _):
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1, "the lock went with its connection"


@pytest.mark.parametrize(
    "statement", ["TABLE freshness (id INT)", "VIEW trip AS SELECT 1 AS id", "VIEW freshness AS SELECT 1 AS id"]
)
def test_what_has_one_of_our_names_is_left_alone(fresh: Database, statement: str) -> None:
    fresh.execute(f"CREATE {statement}")
    name = statement.split()[1]
    done = run_command({"STREAM_DATABASE_URL": fresh.url}, "migrate")
    assert done.returncode == 78
    assert f"no migration made: {name};" in done.stderr
    assert {row[0] for row in fresh.query("SHOW TABLES")} == {name}


REVISION = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("{}")
"""


@pytest.fixture
def revise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a second revision, of one statement."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS_FOLDER, folder)
    monkeypatch.setattr(migrate, "MIGRATIONS_FOLDER", folder)

    def write(statement: str) -> None:
        (folder / "versions" / "0002.py").write_text(REVISION.format(statement))

    return write


def test_a_revision_that_was_done_and_not_noted_is_passed_over(bare: Database, revise: Callable[[str], None]) -> None:
    """The process was killed between a statement and its note."""
    for statement in (
        "CREATE TABLE shelf (id INT)",
        "ALTER TABLE shelf ADD COLUMN colour INT",
        "CREATE INDEX by_colour ON shelf (colour)",
        "ALTER TABLE shelf DROP COLUMN colour",
    ):
        bare.execute("UPDATE alembic_version SET version_num = '0001'")
        bare.execute(statement)
        revise(statement)
        migrate.upgrade(bare.engine(), VIEWS)
        assert bare.value("SELECT version_num FROM alembic_version") == "0002"
        assert_as_declared(bare)
    # The same refusal, where somebody else made what is in the way.
    bare.execute("UPDATE alembic_version SET version_num = '0001'")
    bare.execute("ALTER TABLE user_rating MODIFY feedback INT")
    revise("ALTER TABLE user_rating ADD COLUMN feedback VARCHAR(512)")
    with pytest.raises(ConfigurationError, match=r"migration 0002 found .* not as declared: .*feedback.*; rename"):
        migrate.upgrade(bare.engine(), VIEWS)


def test_the_sql_of_a_dry_run_does_what_the_migrations_do(fresh: Database, database: Database) -> None:
    script = migrate.upgrade_sql(fresh.engine(), VIEWS)
    assert fresh.query("SHOW TABLES") == [], "a dry run changes nothing"
    with fresh.engine().begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    assert_as_declared(fresh)
    assert definitions(fresh) == definitions(database)
    assert migrate.upgrade_sql(fresh.engine(), VIEWS) == ""


def statements_of(revision: str) -> int:
    """How often the upgrade of a revision asks for DDL."""
    upgrade = revision.partition("def upgrade")[2].partition("def downgrade")[0]
    return len(re.findall(r"\bop\.(?!get_context\(\))", upgrade))


def test_each_migration_after_the_baseline_is_one_statement_of_ddl() -> None:
    """MySQL's DDL is not transactional: of two in one revision the first would stay where the second fails."""
    baseline, *later = REVISIONS
    assert baseline.stem == BASELINE.stem
    for path in later:
        assert statements_of(path.read_text()) == 1, path.name
    sound = draft.revision("trip", "0002", "0001")
    assert statements_of(sound) == 1
    assert statements_of(sound.replace("    op.execute(", "    op.drop_table('t')\n    op.execute(")) == 2


def test_the_baseline_passes_over_what_is_there() -> None:
    """The test that dies half-way does so after some of its statements; they are all alike."""
    statements = BASELINE.read_text().split(";\n")
    assert statements.pop() == ""
    matches = [re.match(r"\n?CREATE TABLE IF NOT EXISTS (\w+) \(\n", statement) for statement in statements]
    assert all(matches)
    assert len({match[1] for match in matches if match}) == len(statements)
