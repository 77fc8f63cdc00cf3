"""Plan → messages: events, and mixed into them the duplicates, late and broken ones of producers and networks."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from random import Random

from stream.produce.accounts import HOUR, SECOND
from stream.produce.broken import Deck
from stream.produce.encode import Encoder
from stream.produce.history import Told, chosen, event_id, sample, seeded, tell
from stream.produce.plan import Kind, Message, Plan
from stream.produce.topics import SYNTHETICS, Datum
from stream.schemas.store import SchemaStore

MEMORY_MESSAGES = 4096
"""The reach of a duplicate or late event. Some fall into the same batch of a consumer and some into a later one, so
that both compaction and the version guard get work."""


def synthesize(plan: Plan, store: SchemaStore | None = None) -> Iterator[Message]:
    """The messages of a plan, in the order in which they are to be published.

    Raises ConfigurationError where no rider does what the plan asks for, or a schema has no id for its framing.
    """
    return islice(_Mixture(plan, store or SchemaStore()).messages(), plan.count)


class _Mixture:
    """Sound events, and between them repeated, late and broken ones, as often as the plan says."""

    def __init__(self, plan: Plan, store: SchemaStore) -> None:
        self.plan = plan
        self.chance: Random = seeded(plan.identity)
        self.encoders = {
            name: Encoder(synthetic, store, plan.framing, plan.older_version_share)
            for name, synthetic in SYNTHETICS.items()
        }
        self.told: deque[Message] = deque(maxlen=MEMORY_MESSAGES)
        self.outdated: deque[Told] = deque(maxlen=MEMORY_MESSAGES)
        self.latest: dict[str, Datum] = {name: data[0] for name, data in sample().items() if data}
        wanted = [self.encoders[synthetic.record_name] for synthetic in chosen(plan)]
        self.deck = Deck(wanted, list(self.encoders.values()), self.chance)

    def messages(self) -> Iterator[Message]:
        plan, chance, encoders, extra_share = self.plan, self.chance, self.encoders, self.plan.extra_share
        for told in tell(plan, chance):
            synthetic, datum = told
            message = encoders[synthetic.record_name].encode(datum, Kind.EVENT, chance)
            yield message
            self._remember(message, told)
            while (drawn := chance.random()) < extra_share:
                yield self._extra(drawn)

    def _remember(self, message: Message, told: Told) -> None:
        synthetic, datum = told
        self.told.append(message)
        if synthetic.earlier is not None:
            self.outdated.append(told)
        self.latest[synthetic.record_name] = datum

    def _extra(self, drawn: float) -> Message:
        if drawn < self.plan.broken_share:
            return self.deck.deal(self.latest)
        if drawn < self.plan.broken_share + self.plan.late_share and self.outdated:
            return self._late(self.chance.choice(self.outdated))
        return self.chance.choice(self.told)._replace(kind=Kind.DUPLICATE)

    def _late(self, told: Told) -> Message:
        """An event of its own about an entity whose newer state was already told."""
        synthetic, datum = told
        assert synthetic.earlier is not None, "only what has an earlier state is remembered for it"
        earlier = synthetic.earlier(datum)
        earlier["occurred_at"] = datum["occurred_at"] - SECOND - int(self.chance.random() * HOUR)
        earlier["event_id"] = event_id(self.chance)
        return self.encoders[synthetic.record_name].encode(earlier, Kind.LATE, self.chance)
