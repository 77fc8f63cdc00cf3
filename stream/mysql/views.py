"""Views are code: `stream migrate` makes each as it is declared, and `stream check` compares.

A server keeps a view's query in words of its own. So `declared_view` holds of each view the digest of the SQL that made
it, and the digest of the server's words for it right after. The first differs once the declaration has changed, the
second once somebody has changed the view by hand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from textwrap import dedent

from sqlalchemy import Connection, inspect, select, text

from stream.declaration.service_tables import DECLARED_VIEW
from stream.mysql.connection import is_mariadb

# MySQL writes the database's name before each table, and a backup may be restored under another name.
STORED_AS = "SHA2(CONCAT(security_type, ' ', REPLACE(view_definition, CONCAT('`', DATABASE(), '`.'), '')), 256)"
HIDDEN = "not shown to this account, which lacks SHOW VIEW"
HERE = "information_schema.views WHERE table_schema = DATABASE()"


@dataclass(frozen=True)
class View:
    """A query that has a name in the database."""

    name: str
    query: str
    mariadb_query: str = ""
    """The query on MariaDB; empty: the same."""


def statements(connection: Connection, views: Sequence[View]) -> list[str]:
    """The SQL that makes the views as they are declared, and drops those of ours that no longer are."""
    creations = _creations(connection, views)
    differing = differences(connection, views)
    made = {name: creations[name] for name in differing if name in creations}
    dropped = [name for name in differing if name not in creations]
    needed = [*made.values(), *(f"DROP VIEW IF EXISTS {name}" for name in dropped)]
    if made:
        digests = "".join(f"\n    WHEN '{name}' THEN '{_digest(creation)}'" for name, creation in made.items())
        needed.append(
            f"REPLACE INTO {DECLARED_VIEW.name} (view_name, made_from, stored_as)\n"
            f"SELECT table_name, CASE table_name{digests} END, {STORED_AS}\n"
            f"FROM {HERE} AND table_name IN ({_texts(made)})"
        )
    if dropped:
        needed.append(f"DELETE FROM {DECLARED_VIEW.name} WHERE view_name IN ({_texts(dropped)})")  # noqa: S608 - names of ours
    return needed


def make(connection: Connection, views: Sequence[View]) -> None:
    """Make the views as they are declared, and drop those of ours that no longer are."""
    for statement in statements(connection, views):
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    connection.commit()


def differences(connection: Connection, views: Iterable[View]) -> dict[str, str]:
    """The views that are not as declared, each with the reason; those to be made in the order of declaration."""
    creations = _creations(connection, views)
    columns = f"table_name AS name, {STORED_AS} AS digest, view_definition = '' AS is_hidden"
    rows = connection.execute(text(f"SELECT {columns} FROM {HERE}")).all()  # noqa: S608 - constants
    stored, hidden = {row.name: row.digest for row in rows}, {row.name for row in rows if row.is_hidden}
    is_migrated = inspect(connection).has_table(DECLARED_VIEW.name)
    made = {row.view_name: row for row in connection.execute(select(DECLARED_VIEW))} if is_migrated else {}
    differing = {}
    for name, creation in creations.items():
        if name not in stored:
            differing[name] = "missing"
        elif name in hidden:
            differing[name] = HIDDEN
        elif name not in made or made[name].made_from != _digest(creation):
            differing[name] = "outdated"
        elif made[name].stored_as != stored[name]:
            differing[name] = "changed by hand"
    return {**differing, **dict.fromkeys(made.keys() - creations.keys(), "no longer declared")}


def _creations(connection: Connection, views: Iterable[View]) -> dict[str, str]:
    """The statement that makes each view, by name."""
    on_mariadb = is_mariadb(connection)
    queries = {view.name: view.mariadb_query if on_mariadb and view.mariadb_query else view.query for view in views}
    return {name: f"CREATE OR REPLACE VIEW {name} AS\n{dedent(query).strip()}" for name, query in queries.items()}


def _digest(creation: str) -> str:
    return sha256(creation.encode()).hexdigest()


def _texts(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
