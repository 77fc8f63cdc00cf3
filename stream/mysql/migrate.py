"""Migrations: the tables that the catalog and the service expect, brought about by alembic; then the views."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, Engine, inspect

from stream.catalog import METADATA
from stream.errors import ConfigurationError
from stream.mysql import views
from stream.mysql.views import View
from stream.paths import MIGRATIONS_FOLDER


def upgrade(engine: Engine, declared: Sequence[View]) -> None:
    """Bring the tables to the newest revision, and the views to what is declared; doing it again changes nothing.
    Raises ConfigurationError where a table of one of our names is there that no migration made."""
    with _session(engine) as (connection, config):
        _require_free_names(connection)
        command.upgrade(config, "head")
        views.make(connection, declared)


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
        _require_free_names(connection)
        if pending(connection):
            command.upgrade(config, f"{_revision_of(connection) or 'base'}:head", sql=True)
        output.writelines(f"{statement};\n\n" for statement in views.statements(connection, declared))
    return output.getvalue()


def pending(connection: Connection) -> list[str]:
    """The revisions that the database lacks, oldest first, each with its summary. Raises ConfigurationError where the
    database is at a revision that is not among ours."""
    script = ScriptDirectory.from_config(_config())
    current = _revision_of(connection)
    try:
        missing = list(script.iterate_revisions("head", current or "base"))
    except RevisionError:
        raise ConfigurationError(
            f"the database is at migration {current}, which this version does not have: another version migrated it"
        ) from None
    return [f"{revision.revision} {revision.doc}" for revision in reversed(missing)]


def _require_free_names(connection: Connection) -> None:
    """Refuse tables of our names where `alembic_version` is missing, which each attempt makes before all others."""
    tables = set(inspect(connection).get_table_names())
    taken = sorted(tables & METADATA.tables.keys())
    if taken and "alembic_version" not in tables:
        raise ConfigurationError(
            f"the database has tables that no migration made: {', '.join(taken)}; rename them, or take another database"
        )


def differences(connection: Connection) -> list[str]:
    """The differences of the database's tables from the declared ones."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return [_described(difference) for difference in compare_metadata(context, METADATA)]


def _described(difference: Any) -> str:
    if isinstance(difference, list):  # changes of one column come as a list
        return "; ".join(map(_described, difference))
    action, *subject = difference
    names = [str(getattr(part, "name", part)) for part in subject if part is not None]
    return f"{action}: {' '.join(names)}"


def _config(**options: Any) -> Config:
    config = Config(**options)
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    return config


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _session(engine: Engine) -> Iterator[tuple[Connection, Config]]:
    config = _config(stdout=StringIO())
    with engine.connect() as connection:
        # DDL waits for other transactions on the table; without a bound, everybody else would wait behind it.
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 30")
        config.attributes["connection"] = connection
        yield connection, config
