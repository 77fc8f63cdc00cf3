"""Every way a thing can go wrong, and what it means for a record.

    StreamError
    ├── ConfigurationError      a setting, schema or table is not as it must be: say what to change, exit 78
    │   └── DeclarationError        a catalog file declares what can't be served
    ├── TransientError          the environment's fault: wait and do the same again, never dead-letter
    │   ├── DatabaseUnavailable     MySQL refused or vanished: drop the connection, back off
    │   ├── TransactionConflict     deadlock or lock wait: the same transaction again, on the same connection
    │   ├── KafkaUnavailable        the brokers did not answer a question in time: ask again, polling goes on
    │   ├── StatementTimeout        a query took longer than it was given: ask for less, or give it more
    │   ├── RegistryUnavailable     the schema registry does not answer, or has not heard of an id yet: ask again
    │   └── Fenced                  another owner claimed a partition: ask the group, then claim again or let go
    ├── DataRefused             the database refused a statement's data: bisect to the record at fault
    ├── TerminalError           retrying cannot help: stop the partition or the process until somebody decides
    └── Rejection               the record's own fault: keep it as a dead letter and go on

The *type* decides what happens next; nothing reads a message to find out. Messages hold codes, names of fields
and coordinates, never a value and never a driver's own text: both may be personal.
"""

import traceback
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from stream.records import TopicPartition


class Stage(StrEnum):
    """The part of the straight line in which a record was rejected."""

    DECODE = "decode"
    VALIDATE = "validate"
    WRITE = "write"


class _Noted(StrEnum):
    """Codes, each with a note for people. The set is closed: it labels metrics."""

    note: str

    def __new__(cls, code: str, note: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.note = note
        return member


class Reason(_Noted):
    """Reasons to reject a record; the note says what each means."""

    # decode
    EMPTY_VALUE = "empty_value", "the record has no value, on a topic where that means nothing"
    TOO_LARGE = "too_large", "the record is larger than an event of its kind can be"
    UNKNOWN_FRAMING = "unknown_framing", "the value begins with neither Confluent's magic byte nor Avro's marker"
    UNKNOWN_SCHEMA = "unknown_schema", "the writer schema's fingerprint or id is in no store that we ask"
    INCOMPATIBLE_SCHEMA = (
        "incompatible_schema",
        "Avro's rules don't lead from the writer's schema to our newest, or its data could be of any depth or length",
    )
    UNEXPECTED_RECORD = "unexpected_record", "the schema is known, and of a record that this topic doesn't carry"
    TRUNCATED = "truncated", "the bytes end before the datum does"
    TRAILING_BYTES = "trailing_bytes", "the datum ends before the bytes do"
    INVALID_TEXT = "invalid_text", "a text is not UTF-8"
    MALFORMED = "malformed", "the bytes are not what the writer's schema says, such as a union branch it lacks"
    # validate
    MISSING_FIELD = "missing_field", "a required field is absent, or null"
    WRONG_TYPE = "wrong_type", "a field has a value of another type"
    TOO_LONG = "too_long", "a text has more characters than its column, or a list more items than it may"
    TOO_SHORT = "too_short", "a text that must say something is empty"
    OUT_OF_RANGE = "out_of_range", "a number or a decimal is outside what its field allows"
    BEFORE_2000 = "before_2000", "a moment lies before 2000: milliseconds or seconds where microseconds belong?"
    TOO_FAR_AHEAD = "too_far_ahead", "a moment lies over ten years after occurred_at: nanoseconds, or a date for never?"
    INVALID_VALUE = "invalid_value", "a field breaks a rule of its own, such as no spaces around an id"
    FROM_THE_FUTURE = "from_the_future", "it says that it occurred more than a day after Kafka got it"
    MISSING_KEY = "missing_key", "the record has no Kafka key"
    KEY_MISMATCH = "key_mismatch", "the Kafka key does not name the entity in the value"
    # write
    CONFLICT = "conflict", "another row has the unique key, or another participant the id, that this one claims"
    CONSTRAINT = "constraint", "the database's own check, or a foreign key, refuses the row"
    REFUSED_BY_DATABASE = "refused_by_database", "only the database found a value unfit"


class Trouble(_Noted):
    """Reasons to try again; the note says what a person does about each."""

    # MySQL
    ACCESS_DENIED = "access_denied", "set the account's password and rights right, or STREAM_DATABASE_URL"
    BINLOG_FORMAT = "binlog_format", "set the server's binlog_format to ROW: it takes no writes of READ COMMITTED else"
    COMMIT_FAILED = "commit_failed", "nothing, unless it lasts: then see whether the server is in its group"
    CONNECTION_LOST = "connection_lost", "nothing, unless it lasts: then see why the server ends connections"
    DATABASE_TLS = "database_tls", "make the certificates fit: the server's, and those STREAM_DATABASE_URL names"
    DEADLOCK = "deadlock", "nothing, unless it lasts: then see who else writes these tables"
    DISK_FULL = "disk_full", "make room for the server's files"
    INTERRUPTED = "interrupted", "nothing, unless it lasts: then see who ends the account's statements"
    LOCK_WAIT = "lock_wait", "nothing, unless it lasts: then see whose transaction holds the rows"
    METADATA_LOCK = "metadata_lock", "see who alters the table, or holds it open: SHOW PROCESSLIST, metadata_locks"
    MIGRATION_UNDER_WAY = "migration_under_way", "nothing: when the other `stream migrate` has ended, do it again"
    NO_SUCH_DATABASE = "no_such_database", "create it and run `stream migrate`, or set STREAM_DATABASE_URL right"
    NOT_READY = "not_ready", "nothing, unless it lasts: then see whether the server is in its cluster, and online"
    OUT_OF_MEMORY = "out_of_memory", "give the server more memory, or less to do"
    PACKET_TOO_LARGE = "packet_too_large", "raise the server's max_allowed_packet; `stream check` says how far"
    READ_ONLY = "read_only", "make the server writable, or point the name in STREAM_DATABASE_URL at one that is"
    REFUSAL_NOT_REPEATED = "refusal_not_repeated", "nothing, unless it lasts: then see who changes constraints"
    ROW_CAME_BETWEEN = "row_came_between", "nothing, unless it lasts: then see who else writes these tables"
    STATEMENT_TIMEOUT = "statement_timeout", "run it when the server has less to do, or give it more time"
    TABLE_DAMAGED = "table_damaged", "repair the table, or restore it; the server's log says more"
    TABLES_DIFFER = "tables_differ", "run `stream check`, which says what differs"
    TOO_MANY_CONNECTIONS = "too_many_connections", "raise max_connections, or end what holds them"
    UNREACHABLE = "unreachable", "see that the server runs and can be reached"
    UNKNOWN = "unknown", "look the errno up in the server's manual"
    # Kafka
    KAFKA_UNAVAILABLE = "kafka_unavailable", "nothing, unless it lasts: then see that the brokers can be reached"
    KAFKA_TLS = "kafka_tls", "make the certificates fit: the brokers', and those of STREAM_KAFKA_SSL_…"
    KAFKA_PROTOCOL = "kafka_protocol", "see that the brokers' port speaks STREAM_KAFKA_SECURITY_PROTOCOL, and is theirs"
    KAFKA_LOGIN_REFUSED = "kafka_login_refused", "set STREAM_KAFKA_SASL_USERNAME, …PASSWORD and …MECHANISM right"
    KAFKA_ACCESS_DENIED = "kafka_access_denied", "have the account allowed what docs/rights.md says"
    CLIENT_CUT_OFF = "client_cut_off", "nothing, unless it lasts: then restart the process"
    FENCED = "fenced", "nothing, unless it lasts: `stream offsets show` names the other owner"
    # the schema registry
    REGISTRY_UNREACHABLE = "registry_unreachable", "start the registry, or mend the way to it; work goes on by itself"
    REGISTRY_TIMEOUT = "registry_timeout", "see why the schema registry is slow; work goes on by itself"
    REGISTRY_ACCESS_DENIED = "registry_access_denied", "set the account's rights, or STREAM_SCHEMA_REGISTRY_URL, right"
    REGISTRY_FAILING = "registry_failing", "see the registry's log; does the URL lead to Confluent's API?"
    REGISTRY_TLS = "registry_tls", "make the registry's certificate fit what this machine trusts, or name another URL"
    SCHEMA_NOT_YET_KNOWN = "schema_not_yet_known", "nothing yet: soon its records become dead letters (unknown_schema)"

    @property
    def is_lasting(self) -> bool:
        """Whether it lasts until a person sets something right: a command that meets it ends with 78, not with 75."""
        return self in LASTING


LASTING = frozenset(
    {
        Trouble.ACCESS_DENIED,
        Trouble.BINLOG_FORMAT,
        Trouble.DATABASE_TLS,
        Trouble.NO_SUCH_DATABASE,
        Trouble.KAFKA_TLS,
        Trouble.KAFKA_LOGIN_REFUSED,
        Trouble.KAFKA_ACCESS_DENIED,
        Trouble.REGISTRY_ACCESS_DENIED,
        Trouble.REGISTRY_TLS,
    }
)


class StopReason(StrEnum):
    """Reasons for which it can't be known where a partition is to go on. Each is an entry of the runbook."""

    RETENTION_OVERTOOK = "retention_overtook"  # the log begins behind our progress: records were never applied
    LOG_IS_SHORTER = "log_is_shorter"  # the log ends before our progress: it is not the log that we knew
    TOPIC_RECREATED = "topic_recreated"  # the topic was deleted, and another one has its name


class StreamError(Exception):
    """The root of the tree above."""


class ConfigurationError(StreamError):
    """Something that a person has to set right before we can work. The message says what and how."""


class DeclarationError(ConfigurationError):
    """A catalog file declares what can't be served. The message says what to correct there."""


class TransientError(StreamError):
    """The environment's fault; the same attempt may succeed later."""

    reason: Trouble


class DatabaseUnavailable(TransientError):
    """MySQL cannot be reached, or refuses writes for now; the connection that met it must be dropped."""

    def __init__(self, reason: Trouble, errno: int | None) -> None:
        super().__init__(f"the database is unavailable ({reason}, errno {errno})")
        self.reason = reason
        self.errno = errno


class TransactionConflict(TransientError):
    """A deadlock (1213) or a lock wait that ran out (1205): our transaction was or must be rolled back."""

    def __init__(self, reason: Trouble, errno: int) -> None:
        super().__init__(f"the transaction met another one ({reason}, errno {errno})")
        self.reason = reason
        self.errno = errno


class KafkaUnavailable(TransientError):
    """The brokers did not answer a question in time, or refused it; polling goes on and the question is asked again."""

    def __init__(self, message: str, reason: Trouble = Trouble.KAFKA_UNAVAILABLE) -> None:
        super().__init__(message if reason is Trouble.KAFKA_UNAVAILABLE else f"{message}: {reason}")
        self.reason = reason


class StatementTimeout(TransientError):
    """The server ended a query that took longer than `connection.limited_statements` allows."""

    reason = Trouble.STATEMENT_TIMEOUT

    def __init__(self, errno: int) -> None:
        super().__init__(f"a query took longer than it may (errno {errno})")
        self.errno = errno


class RegistryUnavailable(TransientError):
    """The schema registry does not answer, refuses us, or does not know an id that it may still learn."""

    def __init__(self, reason: Trouble, why: str) -> None:
        super().__init__(f"the schema registry {why}")
        self.reason = reason


class Fenced(TransientError):
    """Progress of these partitions is no longer as this owner left it: somebody else claimed them."""

    reason = Trouble.FENCED

    def __init__(self, partitions: Sequence[TopicPartition]) -> None:
        super().__init__("fenced: another owner claimed " + ", ".join(map(str, partitions)))
        self.partitions = tuple(partitions)


class DataRefused(StreamError):
    """The database refused what a statement carries; some record in it is at fault."""

    def __init__(self, reason: Reason, errno: int) -> None:
        super().__init__(f"the database refused the data ({reason}, errno {errno})")
        self.reason = reason
        self.errno = errno


class TerminalError(StreamError):
    """Retrying cannot help. The message says what an operator can do."""


class Rejection(StreamError):
    """The judgement that one record is unfit, with the stage, the reason and, where it is known, the field."""

    def __init__(self, stage: Stage, reason: Reason, field: str | None = None) -> None:
        super().__init__(f"{stage}: {reason}" + (f" (field {field})" if field else ""))
        self.stage = stage
        self.reason = reason
        self.field = field
        self.event_name: str | None = None
        """The event that the record is by its schema, where that is known: it tells whom the key names."""


def release_frames(error: BaseException | None) -> None:
    """Part an error, and those that led to it, from the calls that they ended. Drivers keep the error in a variable of
    a call that the error itself keeps: only the collector of cycles, which looks seldom, would find that circle, and a
    statement of megabytes is in it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.with_traceback(None).__context__
