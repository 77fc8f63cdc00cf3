"""Migrations: the tables that the catalog and the service expect, brought about by alembic."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from stream.catalog import METADATA
from stream.errors import ConfigurationError
from stream.paths import MIGRATIONS_FOLDER


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to a revision; doing it again changes nothing."""
    _with_connection(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to a revision (`base`: none of our tables are left)."""
    _with_connection(engine, lambda config: command.downgrade(config, revision))


def upgrade_sql(engine: Engine) -> str:
    """The SQL that `upgrade` would run, for people to read first."""
    with engine.connect() as connection:
        current = _context(connection).get_current_revision()
    output = StringIO()
    config = _config(output_buffer=output)
    config.attributes["dialect"] = engine.dialect
    command.upgrade(config, f"{current or 'base'}:head", sql=True)
    return output.getvalue()


def pending(connection: Connection) -> list[str]:
    """The revisions that the database lacks, oldest first, each with its summary."""
    script = ScriptDirectory.from_config(_config())
    current = _context(connection).get_current_revision()
    missing = list(script.iterate_revisions("head", current or "base"))
    return [f"{one.revision} {one.doc}" for one in reversed(missing)]


def differences(connection: Connection) -> list[str]:
    """How the database's tables differ from the declared ones; empty where they don't."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return [_described(one) for one in compare_metadata(context, METADATA)]


def _described(difference: Any) -> str:
    if isinstance(difference, list):  # changes of one column come as a list
        return "; ".join(_described(one) for one in difference)
    action, *subject = difference
    names = [str(getattr(one, "name", one)) for one in subject if one is not None]
    return f"{action}: {' '.join(names)}"


def _config(**options: Any) -> Config:
    config = Config(**options)
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    return config


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection)


def _with_connection(engine: Engine, run: Callable[[Config], None]) -> None:
    config = _config(stdout=StringIO())
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        run(config)


def draft(table_name: str) -> str:
    """The SQL that creates a declared table, as a migration's text; raises ConfigurationError where none is."""
    if table_name not in METADATA.tables:
        raise ConfigurationError(f"no table {table_name} is declared; there are: {', '.join(METADATA.tables)}")
    table = METADATA.tables[table_name]
    created = str(CreateTable(table).compile(dialect=mysql.dialect())).strip().replace("\t", "    ")
    keys = [
        f",\n    KEY {index.name} ({', '.join(column.name for column in index.columns)})"
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    columns, options = created.rsplit("\n)", 1)
    return f"{columns.rstrip()}{''.join(keys)}\n) {options}".replace(", \n", ",\n")


def write_draft(table_name: str) -> Path:
    """Write the migration that creates a declared table, as the next revision, and return its file.

    Raises ConfigurationError where no such table is declared, or a migration of this name is there already.
    """
    statement = draft(table_name)
    folder = MIGRATIONS_FOLDER / "versions"
    found = sorted(one.name for one in folder.glob(f"*_{table_name}.py"))
    if found:
        raise ConfigurationError(f"{found[0]} is there already")
    head = ScriptDirectory.from_config(_config()).get_current_head() or "0000"
    revision = f"{int(head) + 1:0{len(head)}}"
    file = folder / f"{revision}_{table_name}.py"
    indented = statement.replace("\n", "\n        ")
    comment = METADATA.tables[table_name].comment
    text = DRAFT.format(table_name=table_name, comment=comment, revision=revision, head=head, indented=indented)
    file.write_text(text, encoding="utf-8")
    return file


DRAFT = '''"""Create {table_name}: {comment}."""

from alembic import op

revision = "{revision}"
down_revision = "{head}"


def upgrade() -> None:
    op.execute(
        """
        {indented}
        """
    )


def downgrade() -> None:
    op.drop_table("{table_name}")
'''

if __name__ == "__main__":
    try:
        sys.stdout.write(f"{write_draft(sys.argv[1]).relative_to(MIGRATIONS_FOLDER.parent)}\n")
    except ConfigurationError as error:
        sys.exit(str(error))
