"""The language of a topic's model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tests.model.rules import Rule

Event = dict[str, Any]
Row = dict[str, Any]
"""The columns that are compared; a name that begins with _ is no column."""


class Fault(NamedTuple):
    """A fault of a record. A field of None: the bytes don't tell."""

    reason: str
    field: str | None = None


class PersonName(NamedTuple):
    """A person: app user 7 and Telegram user 7 are two persons."""

    kind: str
    person_id: str

    @property
    def key(self) -> bytes:
        return f"{self.kind}:{self.person_id}".encode()


class TableModel(NamedTuple):
    key: tuple[str, ...]
    """The columns that are the primary key."""
    rows: dict[str, Callable[[Event], list[Row]]]
    """By record name: what an event becomes, but for version and origin."""
    deleted: Mapping[str, str] = {}
    """The names in a row that name persons whose erasure deletes it, each with the person's kind."""
    emptied: Mapping[str, tuple[str, str]] = {}
    """Columns that become null where a person is erased: the person's kind, and the name in the row that names them."""
    is_set: bool = False
    """The rows of one first part of the key are those of the newest event about it, and no others."""
    named: Mapping[str, str] = {}
    """The columns that an event in which they are null leaves as they are, each with its value where no event names
    it."""


class TopicModel(NamedTuple):
    topic: str
    rules: dict[str, dict[str, Rule]]
    """By record and field."""
    tables: dict[str, TableModel]
    key: Callable[[Event], tuple[str, str]]
    """Event → the text of its Kafka key, and the name that a mismatch is given."""
    judge: Callable[[str, Event], list[Fault]] = lambda _name, _event: []
    """Record's name and event → what is wrong beyond the fields' own rules."""
    completed: Callable[[str, Event], Event] = lambda _name, event: event
    """Record's name and event → the event with what null stands for."""
    keyed_by: str | None = None
    """The kind of person whose bare id is the key."""
    keyed_otherwise: tuple[str, ...] = ()
    """The records whose key is another id."""
    hides_values: bool = False
    """Dead letters keep coordinates only."""
    other_names: Callable[[PersonName, Iterable[Event]], set[PersonName]] = lambda _person, _events: set()
    """Person and the topic's sound events → the names under which these may mean that person."""


def key_is(attribute: str) -> Callable[[Event], tuple[str, str]]:
    return lambda event: (str(event[attribute]), attribute)


def only(row: Callable[[Event], Row]) -> Callable[[Event], list[Row]]:
    return lambda event: [row(event)]
