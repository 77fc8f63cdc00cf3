"""The service's own tables: progress, the ledger of rows, dead letters, and who is erased."""

from typing import Any

from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects import mysql

from stream.declaration.tables import METADATA, TABLE_OPTIONS
from stream.declaration.types import BINARY_COLLATION

BIG = mysql.BIGINT(unsigned=True)


def _text(name: str, length: int, comment: str, **options: Any) -> Column[Any]:
    kind = mysql.VARCHAR(length, collation=BINARY_COLLATION)
    return Column(name, kind, comment=comment, **{"nullable": False, **options})


def _moment(name: str, comment: str, nullable: bool = False) -> Column[Any]:
    return Column(name, mysql.DATETIME(fsp=6), nullable=nullable, comment=comment)


def _moment_key(name: str, comment: str) -> Column[Any]:
    return Column(name, mysql.DATETIME(fsp=6), primary_key=True, comment=comment)


def _number(name: str, comment: str, kind: Any = BIG, **options: Any) -> Column[Any]:
    return Column(name, kind, comment=comment, **{"nullable": False, "autoincrement": False, **options})


def _count(name: str, comment: str) -> Column[Any]:
    return _number(name, comment, server_default="0")


def _json(name: str, comment: str) -> Column[Any]:
    return Column(name, mysql.MEDIUMTEXT(), nullable=False, comment=f"JSON: {comment}")


def _person() -> tuple[Column[Any], Column[Any]]:
    kind = _text("person_kind", 16, "app, clerk or telegram", primary_key=True)
    return kind, _text("person_id", 256, "the id as text", primary_key=True)


def _topic(comment: str) -> Column[Any]:
    return _text("topic", 249, comment, primary_key=True)  # Kafka's own limit


def _partition(comment: str) -> Column[Any]:
    return _number("kafka_partition", comment, mysql.INTEGER(unsigned=True), primary_key=True)


def _coordinates() -> tuple[Column[Any], ...]:
    topic_id = _text("topic_id", 22, "Kafka's own id of the topic", primary_key=True)
    offset = _number("kafka_offset", "where the record is", primary_key=True)
    return topic_id, _topic("where the record is"), _partition("where the record is"), offset


def _group_partition() -> tuple[Column[Any], ...]:
    group = _text("group_id", 255, "the consumer group", primary_key=True)
    return group, _topic("the topic"), _partition("the partition")


def _table(name: str, *parts: Column[Any] | Index, comment: str, is_for_analysts: bool = False) -> Table:
    return Table(name, METADATA, *parts, comment=comment, info={"is_for_analysts": is_for_analysts}, **TABLE_OPTIONS)


PROGRESS = _table(
    "progress",
    *_group_partition(),
    _text("topic_id", 22, "Kafka's own id of the topic; another one means that it was recreated"),
    _number("owner_epoch", "raised by each claim; fences older owners"),
    _text("owner", 255, "the client that claimed last"),
    _number("next_offset", "everything before it is applied"),
    # The latest of its records' timestamps, or when the end that it has reached was asked for.
    _moment(
        "complete_through", "the moment (UTC) through which the partition is applied; never goes back", nullable=True
    ),
    _count("records_consumed", "= written + superseded + dead-lettered"),
    _count("records_written", "records of which a row was sent"),
    _count("records_superseded", "records none of whose rows was sent: older than another of their batch"),
    _count("records_dead_lettered", "records that were rejected"),
    _moment("updated_on", "when this row was last written (UTC)"),
    comment="How far each partition is applied; written in the transaction of its rows",
)

LEDGER = _table(
    "ledger",
    *_group_partition(),
    _text("table_name", 64, "where the rows were sent", primary_key=True),
    _count("rows_sent", "= inserted + updated + unchanged + suppressed"),
    _count("rows_inserted", "new keys"),
    _count("rows_updated", "newer versions"),
    _count("rows_unchanged", "duplicates, and versions older than the row"),
    _count("rows_suppressed", "rows about erased persons"),
    comment="What became of the rows sent to each table",
)

OFFSET_RESET = _table(
    "offset_reset",
    *_group_partition(),
    _number("owner_epoch", "the epoch that the reset began", primary_key=True),
    _number("from_offset", "next_offset before; null where there was no progress", nullable=True),
    _number("to_offset", "next_offset from then on"),
    _moment("reset_on", "UTC"),
    comment="Where an operator moved progress: why records of a partition are counted twice, or not at all",
)

BECAUSE_LENGTH_MAX = 200
"""The most that may be said of why a dead letter was discarded."""

DEAD_LETTER = _table(
    "dead_letter",
    *_coordinates(),
    _text("stage", 16, "decode, validate or write"),
    _text("reason", 32, "a code of the runbook"),
    _text("field", 64, "which field is at fault, where it is known", nullable=True),
    _text("event_name", 64, "which event it is by its schema, where that is known", nullable=True),
    _text("status", 16, "waiting, resolved, discarded, erased or expired"),
    _number("attempts", "how often it was rejected", mysql.INTEGER(unsigned=True)),
    _moment("record_time", "Kafka's timestamp of the record (UTC)"),
    _moment("first_rejected_on", "UTC"),
    _moment("last_rejected_on", "UTC"),
    Column("record_key", mysql.MEDIUMBLOB, comment="as it came"),
    Column("record_value", mysql.LONGBLOB, comment="as it came"),
    Column("record_headers", mysql.MEDIUMTEXT, comment="JSON: [[name, base64 of the value or null], …]"),
    _text("discarded_because", BECAUSE_LENGTH_MAX, "what whoever discarded it said", nullable=True),
    _moment("published_on", "when it was last copied to the dead letter topic (UTC)", nullable=True),
    Index(None, "status", "reason"),
    # The oldest of those that wait expire.
    Index(None, "status", "last_rejected_on"),
    Index(None, "last_rejected_on"),
    # An erasure finds the records about a person by their key.
    Index(None, "topic", "record_key", mysql_length={"record_key": 64}),
    comment="Records that were rejected, with why; each exactly once, by its coordinates",
)

ERASURE = _table(
    "erasure",
    *_person(),
    _moment("erased_on", "when the erasing event occurred, the latest of them (UTC)"),
    _moment("returned_on", "when the person came back after that (UTC): what occurred later is stored", nullable=True),
    _moment("swept_on", "when the last of what was stored before was removed (UTC); null until then", nullable=True),
    Index(None, "swept_on"),
    comment="Persons of whom nothing may be stored again, or only what occurred after their return",
)

PERSON_RETURN = _table(
    "person_return",
    *_person(),
    _moment_key("returned_on", "when the event of the return occurred (UTC)"),
    comment="When persons came back: after their latest erasure, or before any was known",
)

SUPPRESSED_RECORD = _table(
    "suppressed_record",
    *_coordinates(),
    *_person(),
    _moment("event_time", "when its event occurred (UTC)"),
    _moment("noted_on", "UTC"),
    Index(None, "person_kind", "person_id", "event_time"),
    Index(None, "noted_on"),
    comment="Records left out of erased persons who may come back: applied once an older return is known",
)

ERASURE_REMOVAL = _table(
    "erasure_removal",
    *_person(),
    _text("table_name", 64, "where the rows were", primary_key=True),
    _count("rows_removed", "rows deleted, or kept with their personal columns emptied"),
    comment="What erasing a person removed from where",
)

DATA_QUALITY = _table(
    "data_quality",
    _text("check_name", 64, "names the check", primary_key=True),
    _number("faults", "how many rows are at fault; null where the check took too long or was refused", nullable=True),
    _text("sample", 1000, "some of them, by their keys or the coordinates of their events"),
    _text("meaning", 250, "what a row at fault is"),
    Column("seconds", mysql.DOUBLE(asdecimal=False), nullable=False, comment="how long the check took"),
    _moment("checked_on", "when it was last run (UTC)"),
    comment="What the checks of data quality found last",
    is_for_analysts=True,
)

ROLLUP_TOUCHED = _table(
    "rollup_touched",
    _number(
        "id", "names the entry; one that is committed later may have a smaller id", primary_key=True, autoincrement=True
    ),
    _text("rollup", 64, "the rollup"),
    Column("period_start", mysql.DATETIME(), nullable=False, comment="the period to be summed again (UTC)"),
    _moment("touched_on", "when rows of the period were written or removed (UTC)"),
    Index(None, "rollup", "id"),
    comment="Periods whose rows changed since they were last summed",
)

ROLLUP_REFRESH = _table(
    "rollup_refresh",
    _text("rollup", 64, "the rollup; whoever sums locks its row", primary_key=True),
    _moment("refreshed_on", "when periods were last summed (UTC); null where none was yet", nullable=True),
    comment="Who sums a rollup, one process at a time, and when that was",
)

LATE_CHANGE = _table(
    "late_change",
    _text("table_name", 64, "where rows changed", primary_key=True),
    Column("business_date", mysql.DATE(), primary_key=True, comment="the date under which dashboards show them (UTC)"),
    _moment("first_changed_on", "UTC"),
    _moment("last_changed_on", "UTC"),
    _count("changes", "rows written or removed after the look-back window had passed the date"),
    Index(None, "last_changed_on"),
    comment="Business dates that changed when dashboards no longer looked at them",
    is_for_analysts=True,
)

TABLE_FEED = _table(
    "table_feed",
    _text("table_name", 64, "the table", primary_key=True),
    _topic("a topic whose events feed it"),
    _number("partitions", "how many the topic had when `stream run` last started", mysql.INTEGER(unsigned=True)),
    _text("rollup", 64, "where the table's rows are summed; null where they are not", nullable=True),
    comment="Which topics feed which tables, as `stream run` found it when it started",
)

REPLAY_RUN = _table(
    "replay_run",
    _text("run_id", 32, "names the run; its progress and ledgers are of group replay:<run_id>", primary_key=True),
    _json("ranges", "[[topic, partition, topic id, first offset, the offset behind the last], …]"),
    _number("rewrites", "1 where an event may change the row that it wrote before", mysql.TINYINT(1)),
    _json("rows_before", "rows by table and date of created_on when the run began"),
    _moment("started_on", "when the run began (UTC)"),
    _moment("ended_on", "when the last of its records was applied (UTC); null until then", nullable=True),
    comment="Which part of the log each replay reads again",
)

DECLARED_VIEW = _table(
    "declared_view",
    _text("view_name", 64, "the view", primary_key=True),
    _text("made_from", 64, "SHA-256 of the SQL that made it; another one means that its declaration changed"),
    _text("stored_as", 64, "SHA-256 of the server's text of it; another one means that somebody changed it"),
    comment="Which views `stream migrate` made, and from what",
)
