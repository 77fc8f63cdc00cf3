"""The servers' error numbers and their meaning: the one place that tells an environment's fault from a record's."""

import ssl

import pymysql

from stream.errors import DatabaseUnavailable, DataRefused, Reason, StatementTimeout, TransactionConflict, Trouble

STATEMENT_TIMEOUTS = {1969, 3024}
"""MariaDB's and MySQL's."""

LOCK_WAIT = 1205

CONFLICTS = {
    LOCK_WAIT: Trouble.LOCK_WAIT,
    1020: Trouble.ROW_CAME_BETWEEN,  # MariaDB: the row is newer than our snapshot
    1213: Trouble.DEADLOCK,  # Galera's refusal at COMMIT, too: another node had committed first
    1317: Trouble.INTERRUPTED,
    1689: Trouble.LOCK_WAIT,
    3101: Trouble.DEADLOCK,  # group replication's refusal at COMMIT: another member had committed first
}
"""The transaction was rolled back, or its statement was; the connection is sound, and the same may be tried again."""

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
    1037: Trouble.OUT_OF_MEMORY,
    1038: Trouble.OUT_OF_MEMORY,
    1040: Trouble.TOO_MANY_CONNECTIONS,
    1041: Trouble.OUT_OF_MEMORY,
    1044: Trouble.ACCESS_DENIED,
    1045: Trouble.ACCESS_DENIED,
    1047: Trouble.NOT_READY,  # Galera: the node has no quorum, or is joining
    1049: Trouble.NO_SUCH_DATABASE,
    1053: Trouble.CONNECTION_LOST,  # the server is being stopped
    1054: Trouble.TABLES_DIFFER,
    1114: Trouble.DISK_FULL,
    1129: Trouble.ACCESS_DENIED,  # the host is blocked, after many connections that failed
    1130: Trouble.ACCESS_DENIED,  # no account may come from this host
    1142: Trouble.ACCESS_DENIED,
    1143: Trouble.ACCESS_DENIED,  # of a column
    1146: Trouble.TABLES_DIFFER,
    1152: Trouble.CONNECTION_LOST,
    1153: Trouble.PACKET_TOO_LARGE,
    1158: Trouble.CONNECTION_LOST,  # reading or writing packets failed, or took too long: to 1161
    1159: Trouble.CONNECTION_LOST,
    1160: Trouble.CONNECTION_LOST,
    1161: Trouble.CONNECTION_LOST,
    1180: Trouble.COMMIT_FAILED,  # whether it happened isn't known
    1184: Trouble.CONNECTION_LOST,  # the server's init_connect failed
    1189: Trouble.CONNECTION_LOST,
    1194: Trouble.TABLE_DAMAGED,
    1195: Trouble.TABLE_DAMAGED,
    1203: Trouble.TOO_MANY_CONNECTIONS,
    1206: Trouble.OUT_OF_MEMORY,  # for locks
    1226: Trouble.TOO_MANY_CONNECTIONS,  # of this account
    1227: Trouble.ACCESS_DENIED,
    1251: Trouble.ACCESS_DENIED,  # a way to authenticate that the driver lacks
    1290: Trouble.READ_ONLY,
    1364: Trouble.TABLES_DIFFER,  # a column that nobody declared has to be named
    1370: Trouble.ACCESS_DENIED,
    1637: Trouble.TOO_MANY_CONNECTIONS,  # transactions
    1665: Trouble.BINLOG_FORMAT,
    1698: Trouble.ACCESS_DENIED,
    1792: Trouble.READ_ONLY,
    1820: Trouble.ACCESS_DENIED,  # the password has expired
    1836: Trouble.READ_ONLY,
    1862: Trouble.ACCESS_DENIED,
    1874: Trouble.READ_ONLY,
    1927: Trouble.CONNECTION_LOST,  # MariaDB: killed
    2002: Trouble.UNREACHABLE,
    2003: Trouble.UNREACHABLE,
    2005: Trouble.UNREACHABLE,
    2006: Trouble.CONNECTION_LOST,
    2013: Trouble.CONNECTION_LOST,
    2026: Trouble.DATABASE_TLS,
    2027: Trouble.CONNECTION_LOST,
    2059: Trouble.ACCESS_DENIED,
    2061: Trouble.ACCESS_DENIED,
    3015: Trouble.OUT_OF_MEMORY,
    3032: Trouble.NOT_READY,  # offline mode
    3098: Trouble.TABLES_DIFFER,  # a table that group replication doesn't take
    3100: Trouble.COMMIT_FAILED,  # group replication: the member left its group, or lost the majority, at COMMIT
    3118: Trouble.ACCESS_DENIED,  # the account is locked
    3159: Trouble.DATABASE_TLS,  # the server takes no connection in the clear
    3169: Trouble.CONNECTION_LOST,  # the session was killed
    3796: Trouble.NOT_READY,  # group replication: a consistent read had to wait for too long
    3797: Trouble.NOT_READY,
    3879: Trouble.ACCESS_DENIED,  # MySQL's firewall of accounts
    3955: Trouble.ACCESS_DENIED,  # the account is blocked for a while, after wrong passwords
    3989: Trouble.READ_ONLY,  # the database alone
    4031: Trouble.CONNECTION_LOST,
    4151: Trouble.ACCESS_DENIED,  # MariaDB: the account is locked
    6400: Trouble.NOT_READY,  # offline mode, with a reason: a member that left its group
    6401: Trouble.NOT_READY,  # offline mode, set by a user
    9001: Trouble.UNREACHABLE,  # ProxySQL: no server behind it can be had, to 9006
    9002: Trouble.UNREACHABLE,
    9003: Trouble.UNREACHABLE,
    9004: Trouble.UNREACHABLE,
    9005: Trouble.UNREACHABLE,
    9006: Trouble.UNREACHABLE,
}
"""The troubles that we expect to meet, those of proxies included; anything else is UNKNOWN, with its errno. After each
the connection is dropped: since a failover the name may lead to another server."""


class MetadataLock(pymysql.err.OperationalError):
    """A wait that ran out for a table, which somebody alters or holds; told apart by its length (`session`)."""


def error_of(error: BaseException | None) -> DataRefused | TransactionConflict | StatementTimeout | DatabaseUnavailable:
    """The error of ours that a driver's error means, judged by its number alone."""
    errno = error.args[0] if error is not None and error.args and isinstance(error.args[0], int) else None
    if isinstance(error, MetadataLock):
        return TransactionConflict(Trouble.METADATA_LOCK, LOCK_WAIT)
    if isinstance(error, ssl.SSLError) or isinstance(getattr(error, "original_exception", None), ssl.SSLError):
        return DatabaseUnavailable(Trouble.DATABASE_TLS, errno)
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
