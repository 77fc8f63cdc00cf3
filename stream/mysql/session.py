"""The variables of a session on which a promise depends, each set by us: a server's own default never counts.

A variable is here where another value would change what a statement does, returns or reports. Those that only make it
quicker or slower, and limits on what an account may use of the server, are left to whoever runs the server.
"""

from collections.abc import Mapping

NO_LIMIT = 2**64 - 1

LOCK_WAIT_SECONDS = 5
"""A lane's longest wait for rows that another transaction has locked."""

METADATA_WAIT_SECONDS = 3
"""A lane's longest wait for a table that somebody alters, or will once others are done with it. Less than the wait for
rows: the server gives both errors one number, so the time tells them apart."""

IDLE_SECONDS_MAX = 10
"""The time for which the server keeps the connection of a silent process. A frozen process keeps its row locks;
this is a little more than the group's session timeout, so that its heir need not wait longer than that."""

SQL_MODE = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

Variables = Mapping[str, str | int]

EVERYWHERE: Variables = {
    # What a statement is: strict, so that a value that doesn't fit is an error; with notes, so that one that was bent
    # is seen; all rows, however many; a commit that only commits.
    "sql_mode": SQL_MODE,
    "sql_notes": 1,
    "sql_select_limit": NO_LIMIT,
    "sql_big_selects": 1,
    "sql_safe_updates": 0,
    "sql_auto_is_null": 0,
    "sql_quote_show_create": 1,
    "autocommit": 0,
    "completion_type": "NO_CHAIN",
    "foreign_key_checks": 1,
    "unique_checks": 1,
    "default_storage_engine": "InnoDB",
    # What a value is: times, means, weeks, names of days, and texts by their whole length.
    "time_zone": "+00:00",
    "div_precision_increment": 4,
    "default_week_format": 0,
    "lc_time_names": "en_US",
    "group_concat_max_len": 2**20,
    "max_sort_length": 1024,
    "net_read_timeout": 60,  # the server's longest wait for the rest of a statement
}

MYSQL: Variables = {
    "collation_connection": "utf8mb4_0900_ai_ci",
    "max_execution_time": 0,
    "cte_max_recursion_depth": 1000,
    "windowing_use_high_precision": 1,
    "range_optimizer_max_mem_size": 0,  # beyond it comes a warning, and we take warnings for values that were bent
}

MARIADB: Variables = {
    "collation_connection": "utf8mb4_general_ci",
    "max_statement_time": 0,
    "max_recursive_iterations": 1000,
    "check_constraint_checks": 1,
    "max_error_count": 64,  # MySQL keeps this one for administrators, and counts warnings whatever it is
    "idle_transaction_timeout": 0,
    "idle_readonly_transaction_timeout": 0,
    "idle_write_transaction_timeout": 0,
}

COMMAND: Variables = {
    "lock_wait_timeout": 30,
    "innodb_lock_wait_timeout": 50,
    "wait_timeout": 8 * 3600,
    "net_write_timeout": 600,
}
"""A command waits longer, and takes its time to read an answer. Others queue up behind a statement that waits for a
table, so that wait has a limit all the same: the servers' own is a year, or a day."""

LANE: Variables = {
    "lock_wait_timeout": METADATA_WAIT_SECONDS,
    "innodb_lock_wait_timeout": LOCK_WAIT_SECONDS,
    "wait_timeout": IDLE_SECONDS_MAX,
    "net_write_timeout": 60,
}

TRANSACTIONS = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"


def variables(*, for_lane: bool, on_mariadb: bool) -> Variables:
    """The variables of a session, each with its value."""
    return {**EVERYWHERE, **(MARIADB if on_mariadb else MYSQL), **(LANE if for_lane else COMMAND)}


def statements(*, for_lane: bool, on_mariadb: bool) -> tuple[str, ...]:
    """The statements that set up a session."""
    settings = variables(for_lane=for_lane, on_mariadb=on_mariadb).items()
    return TRANSACTIONS, "SET " + ", ".join(f"SESSION {name} = {_literal(value)}" for name, value in settings)


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"
