"""The newest result of each check of data quality."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func
from sqlalchemy.dialects.mysql import insert

from stream.declaration.service_tables import DATA_QUALITY


def keep(connection: Connection, check_name: str, result: Mapping[str, Any], check_names: Collection[str]) -> None:
    """Keep the result of a check, in place of its last one, and none of checks that have other names than these."""
    values = {**result, "checked_on": func.utc_timestamp(6)}
    kept = insert(DATA_QUALITY).values(check_name=check_name, **values)
    connection.execute(kept.on_duplicate_key_update(values))
    connection.execute(delete(DATA_QUALITY).where(DATA_QUALITY.c.check_name.not_in(check_names)))
