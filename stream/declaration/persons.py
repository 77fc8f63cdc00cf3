"""Persons: by which ids they are named, and what their erasure does to rows about them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple, Self


class PersonKind(StrEnum):
    """The kinds of ids that name a person."""

    APP = "app"
    CLERK = "clerk"
    TELEGRAM = "telegram"
    RESEARCH = "research"
    """A research participant's hash: another name of an app user, which only their erasure makes known."""


NAMED_KINDS = (PersonKind.APP, PersonKind.CLERK, PersonKind.TELEGRAM)
"""The kinds by which people and events name a person."""

RETURNING_KINDS = (PersonKind.TELEGRAM,)
"""The kinds whose ids don't change: who comes back has the same again. Other ids are new for who comes back."""


class Person(NamedTuple):
    """A person by the kind and the text of their id, as markers of erasures name them. As text it is `app:7`."""

    kind: str
    """A `PersonKind`, or whatever else stands in a key or a marker."""
    person_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.person_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The person of a text like `app:7`, or of any other: whether there is such a kind is not looked at."""
        kind, _, person_id = text.partition(":")
        return cls(kind, person_id)


class OnErasure(StrEnum):
    """The effect of a person's erasure on a row about them."""

    DELETE_ROW = "delete_row"
    EMPTY_COLUMNS = "empty_columns"


@dataclass(frozen=True)
class PersonColumn:
    """A column that says whom a table's rows are about, and what the erasure of that person does to a row."""

    kind: PersonKind
    column: str
    on_erasure: OnErasure = OnErasure.DELETE_ROW
    emptied: tuple[str, ...] = ()
    """The columns that become NULL where the row is kept."""
    is_stored: bool = True
    """False where the id is an attribute of the events only, and no column keeps it."""

    @property
    def is_joined(self) -> bool:
        """Whether their erasure changes what is written; a row that keeps the bare id alone stays as it is."""
        return self.on_erasure is OnErasure.DELETE_ROW or bool(self.emptied)

    @property
    def keeps_bare_id(self) -> bool:
        """Whether their id stays in the row after their erasure, as ledgers want it."""
        return self.on_erasure is OnErasure.EMPTY_COLUMNS and self.is_stored and self.column not in self.emptied

    def unstored(self) -> Self:
        """Say that the id is in the events and that no column keeps it."""
        return replace(self, is_stored=False)

    def but_keep_row(self, *emptied: str) -> Self:
        """Say that the erasure empties these columns and keeps the row, with the bare id in it."""
        return replace(self, on_erasure=OnErasure.EMPTY_COLUMNS, emptied=emptied)


app = partial(PersonColumn, PersonKind.APP)
"""The app user whose id, a number or its decimal text, is in this column; the others likewise."""
clerk = partial(PersonColumn, PersonKind.CLERK)
telegram = partial(PersonColumn, PersonKind.TELEGRAM)
research = partial(PersonColumn, PersonKind.RESEARCH)
