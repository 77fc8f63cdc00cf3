"""The input of the synthetic producer, and the messages that come of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from stream import moments
from stream.catalog import STREAMS
from stream.errors import ConfigurationError

UNTIL_MIN = datetime(2002, 1, 1, tzinfo=UTC)
"""The earliest `until`: early enough for everybody, and late enough that no account is older than an event may say."""


class Framing(StrEnum):
    """The kind of bytes before a datum, which name its writer schema."""

    SINGLE_OBJECT = "single-object"
    CONFLUENT = "confluent"
    MIXED = "mixed"


class Kind(StrEnum):
    """The part that a message plays in the mixture. Kinds are never published: a consumer has to find out by itself."""

    EVENT = "event"
    DUPLICATE = "duplicate"  # the bytes of an earlier message again
    LATE = "late"  # an older state of an entity, told after a newer one: it must lose
    BROKEN = "broken"  # unfit; its headers say which dead letter to expect

    # Enum's own hash is a function of Python's, and kinds are counted for each message.
    __hash__ = str.__hash__


class Message(NamedTuple):
    """One record before it has an offset."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    kind: Kind


@dataclass(frozen=True)
class Plan:
    """The input of `synthesize`. Equal plans give equal messages; plans that differ share no event id.

    Raises ConfigurationError for a plan that can't be followed.
    """

    seed: int
    until: datetime
    """No event but the broken ones from the future occurred after this moment."""
    count: int | None = None
    """The number of messages, of all kinds together; None for no end."""
    topics: tuple[str, ...] = ()
    """The topics to synthesize. Empty: all topics."""
    records: tuple[str, ...] = ()
    """The records of these topics to synthesize, such as TripRated. Empty: all records."""
    duplicate_share: float = 0.0
    late_share: float = 0.0
    broken_share: float = 0.0
    older_version_share: float = 0.0
    """The share of events written with an older version, among those whose schema has older versions."""
    framing: Framing = Framing.SINGLE_OBJECT

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise ConfigurationError("until needs a time zone: end it with Z or an offset")
        if self.until < UNTIL_MIN:
            raise ConfigurationError(f"until must not lie before {UNTIL_MIN:%Y-%m-%d}")
        if self.count is not None and self.count < 1:
            raise ConfigurationError("count must be at least 1")
        self._check_shares()
        _check_names("topic", self.topics, STREAMS)
        _check_names("record", self.records, record_names(self.topics))

    def _check_shares(self) -> None:
        shares = (self.duplicate_share, self.late_share, self.broken_share)
        # Something has to be told before it can be repeated, overtaken or spoilt.
        if min(*shares, self.older_version_share) < 0 or sum(shares) > 0.9 or self.older_version_share > 1:
            raise ConfigurationError(
                "shares lie between 0 and 1; duplicates, late and broken ones make up at most 0.9 together"
            )

    @property
    def extra_share(self) -> float:
        """The share of messages that are not an event told for the first time and in time."""
        return self.duplicate_share + self.late_share + self.broken_share

    @property
    def until_micros(self) -> int:
        return moments.to_micros(self.until)

    @property
    def identity(self) -> str:
        """A text that names the plan and seeds its chances: an event id must not come again with another content."""
        shares = (self.duplicate_share, self.late_share, self.broken_share, self.older_version_share)
        what = (self.topics, self.records, str(self.framing))
        return repr((self.seed, self.until_micros, self.count, *shares, *what))


def record_names(topics: Collection[str]) -> list[str]:
    """The names of the records that these topics carry. Empty: of all topics."""
    streams = [STREAMS[topic] for topic in topics or STREAMS]
    return [route.record_name for stream in streams for route in stream.bound_routes]


def _check_names(noun: str, named: Collection[str], known: Collection[str]) -> None:
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise ConfigurationError(f"no {noun} {', '.join(unknown)}: there are {', '.join(known)}")
