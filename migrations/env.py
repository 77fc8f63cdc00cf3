"""Alembic's way in: it gets its connection from `stream.mysql.migrate`, which is what `stream migrate` runs."""

from alembic import context

import stream.declaration.service_tables  # noqa: F401 - declares the service's own tables
from stream.catalog import METADATA


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:  # --dry-run: the SQL is printed, nothing is run
        dialect = context.config.attributes["dialect"]
        context.configure(
            target_metadata=METADATA,
            dialect_name="mariadb" if dialect.is_mariadb else dialect.name,
            dialect_opts={"paramstyle": "named"},  # the driver's own would double each % for people to paste
            literal_binds=True,
        )
        context.run_migrations()
        return
    context.configure(connection=connection, target_metadata=METADATA, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


run()
