"""Streams: which topic carries which events, and what becomes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
from sqlalchemy import Table

from stream.declaration.events import Event, PersonErased
from stream.declaration.persons import NAMED_KINDS, Person, PersonKind
from stream.declaration.routes import Admits, Erases, Into, Route, route_of
from stream.records import RECORD_BYTES_MAX

KEY_CHARACTERS_MAX = 300
"""More than any person's kind and id have."""


@dataclass(frozen=True)
class Stream:
    """One topic: what it carries and what becomes of it."""

    topic: str
    key: str
    """The attribute that the Kafka key names; what must stay in order shares it."""
    routes: Mapping[type[Event], Sequence[Into | Erases | Admits]]
    has_tombstones: bool = False
    """A record without a value erases the person that its key names, as `app:7` does."""
    keyed_by: PersonKind | None = None
    """The kind of person whose bare id is the Kafka key, where it is."""
    keyed_otherwise: Sequence[type[Event]] = ()
    """The events whose key names no person, on a topic where that of the others does."""
    has_hidden_values: bool = False
    """The values hold what may never be stored: dead letters keep coordinates only, and a redrive reads the log."""
    partitions: int = 6
    retention_ms: int = 30 * 24 * 3600 * 1000
    max_message_bytes: int = RECORD_BYTES_MAX
    """Room for a record that is far too large: it must reach the dead letters, not vanish at the producer."""

    def __post_init__(self) -> None:
        # msgspec works a class out at its first use, and lets others see it half done meanwhile: two lanes that begin
        # with the same event end the process by signal 11. So it is done here, by whoever imports the catalog.
        for event in self.routes:
            msgspec.json.Decoder(event)

    @cached_property
    def events_of_nobody(self) -> frozenset[str]:
        """The names of the events whose key names no person, although it may look like one."""
        return frozenset(event.__name__ for event in self.keyed_otherwise)

    def person_of_key(self, key: bytes, event_name: str | None) -> Person | None:
        """The person whom the key of a record names; None where it names nobody. Of a record whose name isn't known,
        the person whom it may name; and None for a key that is longer than any person's id."""
        if event_name in self.events_of_nobody:
            return None
        text = key.decode(errors="replace")
        if len(text) > KEY_CHARACTERS_MAX:
            return None
        if self.keyed_by is not None:
            return Person(self.keyed_by, text)
        return Person.parse(text) if self.has_tombstones else None

    def key_of_person(self, person: Person) -> bytes | None:
        """The key of the records about a person; None where this topic's keys do not name such persons. Records of
        `keyed_otherwise` may have the same key."""
        if self.has_tombstones:
            return str(person).encode()
        return person.person_id.encode() if self.keyed_by == person.kind else None

    @property
    def is_hashed(self) -> bool:
        """Whether the stream needs a key to make hashes with."""
        return any(route.is_hashed for route in self.bound_routes)

    @property
    def tables(self) -> list[Table]:
        """The tables that this topic feeds, each once, in the order of declaration."""
        return list({feed.table.name: feed.table for route in self.bound_routes for feed in route.feeds}.values())

    @cached_property
    def tombstone_routes(self) -> Mapping[PersonKind, Route]:
        """The routes of records without a value, by the kind of person that their key names."""
        kinds = NAMED_KINDS if self.has_tombstones else ()
        return {kind: route_of(PersonErased, [Erases(kind, "person_id")], self.key) for kind in kinds}

    @cached_property
    def bound_routes(self) -> tuple[Route, ...]:
        return tuple(route_of(event, targets, self.key) for event, targets in self.routes.items())
