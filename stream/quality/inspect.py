"""Running the checks of data quality, and remembering what they found.

A check reads one statement's snapshot: it locks nothing, so no writer waits for it.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Select, func, select

from stream.declaration.service_tables import DATA_QUALITY
from stream.errors import DataRefused, StatementTimeout
from stream.mysql import data_quality
from stream.mysql.connection import limited_statements
from stream.quality.checks import CHECKS, Check

log = structlog.get_logger(__name__)

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class CheckResult:
    """The rows at fault that a check found."""

    check: str
    faults: int | None
    """The number of rows at fault; None where the check took longer than it may, or the server refused it."""
    sample: str
    """Some of them, by their keys, or by the coordinates of their events where the key is a person's id."""
    seconds: float
    meaning: str


def inspect(connection: Connection, check: Check, seconds_max: float) -> CheckResult:
    """Run a check within a limit of time. Raises DatabaseUnavailable."""
    began = time.monotonic()
    faults, sample = None, ""
    try:
        with limited_statements(connection, seconds_max):
            rows = connection.execute(_counted(check)).all()
    except StatementTimeout:
        pass
    except DataRefused as refused:  # such as a sum that is out of range
        todo = "look the errno up in the server's manual: some row holds a value that the check's query can't take"
        log.error("check refused", check=check.name, errno=refused.errno, todo=todo)
    else:
        faults = rows[0].faults if rows else 0
        sample = ", ".join(check.row_name(tuple(row[:-1])) for row in rows)
    return CheckResult(check.name, faults, sample, round(time.monotonic() - began, 3), check.meaning)


def _counted(check: Check) -> Select[Any]:
    """Some rows at fault, and beside each how many there are: one statement, so that the two agree."""
    rows = check.faults.subquery("found")
    return select(*rows.c, func.count().over().label("faults")).order_by(*rows.c).limit(SAMPLE_ROWS)


def overdue(connection: Connection, interval: timedelta) -> Check | None:
    """The check that was run longest ago, unless even that was within the interval."""
    query = select(DATA_QUALITY.c.check_name, DATA_QUALITY.c.checked_on, func.utc_timestamp(6).label("now"))
    ages = {row.check_name: row.now - row.checked_on for row in connection.execute(query)}
    oldest = max(CHECKS.values(), key=lambda check: ages.get(check.name, timedelta.max))
    return oldest if ages.get(oldest.name, timedelta.max) >= interval else None


def remember(connection: Connection, finding: CheckResult) -> None:
    """Keep what a check found, and forget the checks that are no longer declared."""
    result = asdict(finding)
    data_quality.keep(connection, result.pop("check"), result, CHECKS)


def remembered(connection: Connection) -> Mapping[str, int | None]:
    """The rows at fault by check, as they were found last; None where the last attempt told nothing."""
    rows = connection.execute(select(DATA_QUALITY.c.check_name, DATA_QUALITY.c.faults))
    return {row.check_name: row.faults for row in rows}
