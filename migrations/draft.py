"""Drafts of migrations, for developers: `python -m migrations.draft <table>` writes the revision of a new table."""

import re
import sys
from pathlib import Path

from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from stream.catalog import METADATA
from stream.errors import ConfigurationError
from stream.paths import MIGRATIONS_FOLDER

REVISION = '''"""Create {table_name}: {comment}."""

from alembic import op

revision = "{revision}"
down_revision = "{head}"


def upgrade() -> None:
    op.execute(
        """
        {statement}
        """
    )


def downgrade() -> None:
    op.drop_table("{table_name}")
'''


def create_table(table_name: str) -> str:
    """The SQL that creates a declared table. Raises ConfigurationError where no such table is declared."""
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


def revision(table_name: str, number: str, head: str) -> str:
    """The text of the revision that creates a declared table. Raises ConfigurationError as `create_table` does."""
    statement = create_table(table_name).replace("\n", "\n        ")
    comment = METADATA.tables[table_name].comment
    return REVISION.format(table_name=table_name, comment=comment, revision=number, head=head, statement=statement)


def write(table_name: str) -> Path:
    """Write the migration that creates a declared table, as the next revision, and return its file. Raises
    ConfigurationError where no such table is declared, or a migration creates it already."""
    folder = MIGRATIONS_FOLDER / "versions"
    creation = re.compile(rf"CREATE TABLE (IF NOT EXISTS )?{table_name} \(")
    for path in (*folder.glob("*.sql"), *folder.glob("*.py")):
        if creation.search(path.read_text(encoding="utf-8")):
            raise ConfigurationError(f"{path.name} creates {table_name} already")
    head = max(path.name.partition("_")[0] for path in folder.glob("*.py"))
    number = f"{int(head) + 1:0{len(head)}}"
    file = folder / f"{number}_{table_name}.py"
    file.write_text(revision(table_name, number, head), encoding="utf-8")
    return file


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{write(sys.argv[1]).relative_to(MIGRATIONS_FOLDER.parent)}\n")
    except ConfigurationError as error:
        sys.exit(str(error))
