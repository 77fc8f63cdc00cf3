"""Migrations: the tables that the catalog and the service expect, brought about by alembic; then the views.

One process at a time migrates a database. DDL can't be rolled back, so a process that is killed may leave a statement
done and not noted: the baseline passes over what is there, and each later revision is one statement, which the server
refuses the second time with an error that says that it was done.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, Engine, exc, func, inspect, select, text

from stream.catalog import METADATA
from stream.errors import ConfigurationError, DatabaseUnavailable, Trouble
from stream.mysql import tables, views
from stream.mysql.views import View
from stream.paths import MIGRATIONS_FOLDER

LOCK_SECONDS = 10
"""The wait for another process that migrates the same database."""

DONE_ALREADY = {1050, 1060, 1061, 1091}
"""The servers' refusals to create what is there, or to drop what isn't."""


def upgrade(engine: Engine, declared: Sequence[View]) -> None:
    """Bring the tables to the newest revision, and the views to what is declared; doing it again changes nothing.
    Raises ConfigurationError where something of the database is in the way, and DatabaseUnavailable."""
    with _session(engine) as (connection, config):
        _require_fit(connection, declared)
        for revision in _pending(connection):
            _run(connection, config, revision)
        views.make(connection, declared)


def _run(connection: Connection, config: Config, revision: str) -> None:
    try:
        command.upgrade(config, revision)
    except exc.DBAPIError as error:
        if error.orig is None or error.orig.args[0] not in DONE_ALREADY:
            raise
        connection.rollback()
        command.stamp(config, revision)
        _require_declared(connection, revision)


def _require_declared(connection: Connection, revision: str) -> None:
    """Raise ConfigurationError where the tables are not as declared, though all revisions are run: then somebody else
    made what was there already, and no attempt that was killed."""
    if not _pending(connection) and (differing := tables.harmful(connection)):
        raise ConfigurationError(
            f"migration {revision} found that its table or column was there, and not as declared: "
            f"{'; '.join(differing)}; rename or change it"
        )


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to a revision, without our views (`base`: nothing of ours is left)."""
    with _session(engine) as (connection, config):
        views.make(connection, ())
        command.downgrade(config, revision)
        if revision == "base":
            connection.exec_driver_sql("DROP TABLE alembic_version")


def upgrade_sql(engine: Engine, declared: Sequence[View]) -> str:
    """The SQL that `upgrade` would run, for people to read first. Raises ConfigurationError as `upgrade` does."""
    output = StringIO()
    config = _config(output_buffer=output)
    config.attributes["dialect"] = engine.dialect
    with engine.connect() as connection:
        _require_fit(connection, declared)
        if _pending(connection):
            command.upgrade(config, f"{_revision_of(connection) or 'base'}:head", sql=True)
        output.writelines(f"{statement};\n\n" for statement in views.statements(connection, declared))
    return output.getvalue()


def pending(connection: Connection) -> list[str]:
    """The revisions that the database lacks, oldest first, each with its summary. Raises ConfigurationError where the
    database is newer than we are."""
    _require_known(connection)
    script = ScriptDirectory.from_config(_config())
    return [f"{each} {script.get_revision(each).doc}" for each in _pending(connection)]


def is_newer(connection: Connection) -> bool:
    """Whether the database is at a revision that is not among ours: a newer version of the program migrated it."""
    try:
        _pending(connection)
    except RevisionError:
        return True
    return False


def _pending(connection: Connection) -> list[str]:
    script = ScriptDirectory.from_config(_config())
    missing = script.iterate_revisions("head", _revision_of(connection) or "base")
    return [revision.revision for revision in missing][::-1]


def binlog_complaint(connection: Connection) -> str:
    """The binary log's format, where it refuses our writes; else nothing."""
    query = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')"
    shown = {row[0]: row[1] for row in connection.execute(text(query))}
    is_refused = shown.get("log_bin") == "ON" and shown.get("binlog_format") == "STATEMENT"
    return "STATEMENT, which takes no writes of READ COMMITTED" if is_refused else ""


def _require_fit(connection: Connection, declared: Sequence[View]) -> None:
    """Refuse a server that takes no writes of ours, a newer database, and tables that are somebody else's."""
    if complaint := binlog_complaint(connection):
        raise ConfigurationError(f"binlog_format: {complaint}; set it to ROW")
    _require_known(connection)
    inspected = inspect(connection)
    there, shown = set(inspected.get_table_names()), set(inspected.get_view_names())
    ours, names = METADATA.tables.keys(), {view.name for view in declared}
    taken = (there & names) | (shown & ours)
    if "alembic_version" not in there:  # which each attempt makes before all others
        taken |= (there & ours) | (shown & names)
    if taken:
        raise ConfigurationError(
            f"the database has tables or views that no migration made: {', '.join(sorted(taken))}; "
            "rename them, or take another database"
        )


def _require_known(connection: Connection) -> None:
    if is_newer(connection):
        raise ConfigurationError(
            f"the database is at migration {_revision_of(connection)}, which this version does not have: a newer "
            "version migrated it, or another program; let that one migrate it"
        )


def _config(**options: Any) -> Config:
    config = Config(**options)
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    return config


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _session(engine: Engine) -> Iterator[tuple[Connection, Config]]:
    """A connection that alone migrates its database, until it is closed."""
    config = _config(stdout=StringIO())
    with engine.connect() as connection:
        name = func.left(func.concat("stream migrate ", func.database()), 64)  # servers allow no more
        if not connection.execute(select(func.get_lock(name, LOCK_SECONDS))).scalar_one():
            raise DatabaseUnavailable(Trouble.MIGRATION_UNDER_WAY, None)
        connection.commit()
        config.attributes["connection"] = connection
        yield connection, config
