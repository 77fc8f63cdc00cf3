"""The ids that a batch names and no reader knows: the registry is asked for all of them at once.

Broken bytes name ids too, each another. So there is one grace for a batch, and a bound on the answers that an id is not
known; behind it, and after the grace, records are rejected.
"""

import time
from collections.abc import Iterable

from stream.errors import RegistryUnavailable, Trouble
from stream.records import Record
from stream.schemas.framing import SCHEMA_ID_MAX, confluent_id
from stream.schemas.readers import Readers
from stream.schemas.registry import Registry

GRACE_SECONDS = 10.0
"""The age at which an id that the registry doesn't know is the record's own fault: the registry may be a replica that
lags. Counted from Kafka's timestamp, so that a log full of such records is not waited for one by one."""

UNKNOWN_IDS_MAX = 20
"""The ids of a batch that the registry may not know, before the others count as unknown: each question takes it some
milliseconds. As many new schemas are hardly published with before a replica has them."""

GIVEN_UP_IDS_MAX = 1000
"""The ids that are remembered as waited for in vain, so that nobody waits for them again."""

GivenUp = dict[bytes, None]
"""Headers whose ids the registry did not know when their grace was over, the latest last."""


class Questions:
    """The questions of one batch."""

    def __init__(self, registry: Registry, given_up: GivenUp) -> None:
        """`given_up` is kept from batch to batch."""
        self._registry = registry
        self._given_up = given_up
        self._readers: dict[bytes, list[Readers]] = {}
        """By header those who want to learn of its id; once they did, it goes."""
        self._grace_ends_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._readers)

    def add(self, readers: Readers, records: Iterable[Record]) -> None:
        """Add the ids that the readers of a topic don't know."""
        for header, latest_ms in readers.unknown_headers(records).items():
            if confluent_id(header) <= SCHEMA_ID_MAX:
                self._readers.setdefault(header, []).append(readers)
                if header not in self._given_up:
                    age_seconds = max(0.0, time.time() - latest_ms / 1000)  # a moment ahead of now counts as now
                    grace_ends_at = time.monotonic() + GRACE_SECONDS - age_seconds
                    self._grace_ends_at = max(self._grace_ends_at, grace_ends_at)

    def ask(self) -> list[bytes]:
        """Have the readers learn what the registry knows, and return the headers of ids that it doesn't. The lowest ids
        are asked for first, for registries count from 1, and broken bytes mostly say more; at last those that were
        given up, for they may have been registered since. Raises RegistryUnavailable."""
        unknown: list[bytes] = []
        for header in sorted(self._readers, key=lambda header: (header in self._given_up, header)):
            text = self._registry.schema(confluent_id(header))
            if text is not None:
                for readers in self._readers.pop(header):
                    readers.learn(header, text)
                continue
            unknown.append(header)
            if len(unknown) == UNKNOWN_IDS_MAX:
                break
        return unknown

    def ask_until_known(self) -> None:
        """Ask, and raise RegistryUnavailable also while an unknown id has grace left: then ask again."""
        waited_for = [header for header in self.ask() if header not in self._given_up]
        if waited_for and time.monotonic() < self._grace_ends_at:
            answer = f"does not know schema id {confluent_id(waited_for[0])} yet"
            raise RegistryUnavailable(Trouble.SCHEMA_NOT_YET_KNOWN, answer)
        self._given_up.update(dict.fromkeys(waited_for))
        for header in list(self._given_up)[:-GIVEN_UP_IDS_MAX]:
            del self._given_up[header]
