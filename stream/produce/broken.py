"""Broken records, each with headers that name the dead letter that is to become of it."""

from collections.abc import Mapping, Sequence
from random import Random

from stream.produce.encode import Encoder
from stream.produce.flaws import FLAWS, NO_FIELD, Flaw, Sound
from stream.produce.plan import Kind, Message
from stream.produce.topics import Datum

FLAW_HEADER = "synthetic-flaw"
REASON_HEADER = "synthetic-reason"
FIELD_HEADER = "synthetic-field"

Card = tuple[Encoder, Flaw]


class Deck:
    """Deals flaws like cards: every flaw of every record once before any comes again."""

    def __init__(self, wanted: Sequence[Encoder], everyone: Sequence[Encoder], chance: Random) -> None:
        self.everyone = everyone
        self.chance = chance
        self.cards = [(encoder, flaw) for encoder in wanted for flaw in FLAWS if flaw.fields(encoder.synthetic)]
        self.undealt = self._shuffled(self.cards)

    def deal(self, latest: Mapping[str, Datum]) -> Message:
        """The next broken record, made from the latest datum of the card's record; `latest` is by name."""
        if not self.undealt:
            self.undealt = self._shuffled([card for card in self.cards if not card[1].is_huge])
        encoder, flaw = self.undealt.pop()
        field = self.chance.choice(flaw.fields(encoder.synthetic))
        return broken(flaw, field, self.sound(encoder, latest), self.chance)

    def sound(self, encoder: Encoder, latest: Mapping[str, Datum]) -> Sound:
        """The latest event of a record, and some of other topics, to be spoilt."""
        strangers = [
            value
            for other in self.everyone
            if other.topic != encoder.topic
            and (value := other.encode(latest[other.newest.record_name], Kind.EVENT, self.chance).value)
        ]
        return Sound(encoder, latest[encoder.newest.record_name], encoder.header(self.chance), strangers)

    def _shuffled(self, cards: Sequence[Card]) -> list[Card]:
        return self.chance.sample(cards, len(cards))


def broken(flaw: Flaw, field: str, sound: Sound, chance: Random) -> Message:
    """A sound event, spoilt."""
    key, value = flaw.spoil(sound, field, chance)
    headers = [(FLAW_HEADER, flaw.name.encode()), (REASON_HEADER, flaw.reason.value.encode())]
    if field != NO_FIELD and flaw.is_field_known:
        headers.append((FIELD_HEADER, field.encode()))
    return Message(sound.encoder.topic, key, value, headers, Kind.BROKEN)
