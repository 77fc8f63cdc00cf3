"""The servers' error numbers and their meaning: the one place that tells an environment's fault from a record's."""

import pymysql

from stream.errors import DatabaseUnavailable, DataRefused, Reason, StatementTimeout, TransactionConflict, Trouble

STATEMENT_TIMEOUTS = {1969, 3024}
"""MariaDB's and MySQL's."""

CONFLICTS = {1205: Trouble.LOCK_WAIT, 1213: Trouble.DEADLOCK}

REFUSALS = {
    1048: Reason.MISSING_FIELD,  # a null in a column that has none
    1062: Reason.CONFLICT,
    1242: Reason.CONFLICT,  # `upsert.REFUSE`: the row that was met is another's
    1264: Reason.OUT_OF_RANGE,
    1265: Reason.REFUSED_BY_DATABASE,  # data truncated
    1292: Reason.REFUSED_BY_DATABASE,  # not a value of the type
    1365: Reason.REFUSED_BY_DATABASE,
    1366: Reason.REFUSED_BY_DATABASE,
    1406: Reason.TOO_LONG,
    1411: Reason.REFUSED_BY_DATABASE,  # not what a function takes, as UNHEX of no hex digits
    1441: Reason.OUT_OF_RANGE,  # a moment outside DATETIME
    1451: Reason.CONSTRAINT,
    1452: Reason.CONSTRAINT,  # a foreign key without its row
    1690: Reason.OUT_OF_RANGE,
    3140: Reason.REFUSED_BY_DATABASE,  # invalid JSON
    3141: Reason.REFUSED_BY_DATABASE,
    3156: Reason.REFUSED_BY_DATABASE,  # a JSON value that can't become the column's type
    3157: Reason.REFUSED_BY_DATABASE,
    3665: Reason.MISSING_FIELD,  # JSON_TABLE: a value is missing
    3666: Reason.REFUSED_BY_DATABASE,
    3669: Reason.OUT_OF_RANGE,
    3819: Reason.CONSTRAINT,  # MySQL's CHECK
    4025: Reason.CONSTRAINT,  # MariaDB's CHECK
    4038: Reason.REFUSED_BY_DATABASE,  # MariaDB: invalid JSON
    4174: Reason.REFUSED_BY_DATABASE,  # MariaDB's JSON_TABLE, ERROR ON ERROR
    4175: Reason.MISSING_FIELD,
}
"""The errors that speak of a row's data. Every other one is the environment's fault until we know better:
dead-lettering sound records because a disk was full would be the worse mistake."""

UNAVAILABLE = {
    3: Trouble.DISK_FULL,  # a temporary file, or the binary log, could not be written
    20: Trouble.DISK_FULL,
    1021: Trouble.DISK_FULL,
    1026: Trouble.DISK_FULL,
    1040: Trouble.TOO_MANY_CONNECTIONS,
    1044: Trouble.ACCESS_DENIED,
    1045: Trouble.ACCESS_DENIED,
    1049: Trouble.NO_SUCH_DATABASE,
    1053: Trouble.CONNECTION_LOST,  # the server is being stopped
    1054: Trouble.TABLES_DIFFER,
    1114: Trouble.DISK_FULL,
    1142: Trouble.ACCESS_DENIED,
    1146: Trouble.TABLES_DIFFER,
    1153: Trouble.PACKET_TOO_LARGE,
    1203: Trouble.TOO_MANY_CONNECTIONS,
    1226: Trouble.TOO_MANY_CONNECTIONS,  # of this account
    1290: Trouble.READ_ONLY,
    1792: Trouble.READ_ONLY,
    1836: Trouble.READ_ONLY,
    1927: Trouble.CONNECTION_LOST,  # MariaDB: killed
    2003: Trouble.UNREACHABLE,
    2006: Trouble.CONNECTION_LOST,
    2013: Trouble.CONNECTION_LOST,
    3118: Trouble.ACCESS_DENIED,  # the account is locked
    4031: Trouble.CONNECTION_LOST,
    4151: Trouble.ACCESS_DENIED,  # MariaDB: the account is locked
}
"""The troubles that we expect to meet; anything else is UNKNOWN, with its errno."""


def error_of(error: BaseException | None) -> DataRefused | TransactionConflict | StatementTimeout | DatabaseUnavailable:
    """The error of ours that a driver's error means, judged by its number alone."""
    errno = error.args[0] if error is not None and error.args and isinstance(error.args[0], int) else None
    if errno in CONFLICTS:
        return TransactionConflict(CONFLICTS[errno], errno)
    if errno in STATEMENT_TIMEOUTS:
        return StatementTimeout(errno)
    if errno in REFUSALS:
        return DataRefused(REFUSALS[errno], errno)
    if isinstance(error, pymysql.err.InterfaceError):  # the connection was closed under us
        return DatabaseUnavailable(Trouble.CONNECTION_LOST, errno)
    return DatabaseUnavailable(UNAVAILABLE.get(errno or 0, Trouble.UNKNOWN), errno)


def refusal_of_warning(warning: tuple[str, int, str] | None) -> DataRefused:
    """The refusal that a row of SHOW WARNINGS means: an upsert that warns has bent a value to make it fit."""
    errno = warning[1] if warning else 0
    return DataRefused(REFUSALS.get(errno, Reason.REFUSED_BY_DATABASE), errno)
