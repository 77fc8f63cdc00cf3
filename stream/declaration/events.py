"""Events: what every event begins with, and what the special ones add."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from stream.declaration.types import AHEAD_MICROS_MAX, YEAR_2000, Micros
from stream.errors import Reason, Rejection, Stage
from stream.hashing import Hasher


class Event(msgspec.Struct, kw_only=True, gc=False):
    """The beginning of every event. It carries its entity's whole state at `occurred_at`, never a difference."""

    event_id: str
    """A UUID on the wire; after construction its 32 lower-case hex digits, which compare as its bytes do."""
    occurred_at: Micros

    one_of: ClassVar[Sequence[str]] = ()
    """The fields of which at least one has to say something; the first is called missing where none does."""

    def __post_init__(self) -> None:
        self.event_id = uuid_digits(self.event_id)

    @property
    def version(self) -> tuple[int, str]:
        """The version of a key's state: of two events the one with the greater pair is newer."""
        return (self.occurred_at, self.event_id)

    def check_moment(self, moment: int, field: str) -> None:
        """Raises Rejection where a moment that a field holds in another form, such as JSON, is no business time."""
        if moment < YEAR_2000:
            raise Rejection(Stage.VALIDATE, Reason.BEFORE_2000, field)
        if moment > self.occurred_at + AHEAD_MICROS_MAX:
            raise Rejection(Stage.VALIDATE, Reason.TOO_FAR_AHEAD, field)


class HashedEvent(Event, dict=True, gc=True):
    """An event that names its person by a hash that we make: `seal` is called once its fields pass their rules."""

    def seal(self, hasher: Hasher) -> None:
        """Put the hash into its field. Raises Rejection where the event names its person wrongly."""
        raise NotImplementedError


class PersonErased(Event):
    """A tombstone's meaning: the person whom its key names is to be forgotten."""

    person_id: str


def uuid_digits(text: str) -> str:
    """The 32 lower-case hex digits of a UUID of 36 characters. Raises Rejection where it is none."""
    digits = text.replace("-", "")
    if len(text) == 36 and len(digits) == 32 and text[8] == text[13] == text[18] == text[23] == "-":
        try:
            # fromhex is the quickest check, but skips spaces: then the result is shorter than 16 bytes.
            raw = bytes.fromhex(digits)
        except ValueError:
            raw = b""
        if len(raw) == 16:
            return raw.hex()
    raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "event_id")
