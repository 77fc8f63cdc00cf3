"""The readers that a process works with: those of some topics, and the registry where one is configured."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from stream.catalog import STREAMS
from stream.errors import ConfigurationError
from stream.hashing import Hasher
from stream.records import Record
from stream.schemas.questions import Questions
from stream.schemas.readers import Readers
from stream.schemas.registry import Registry
from stream.schemas.store import SchemaStore
from stream.settings import Settings


@dataclass(frozen=True)
class Decoder:
    """The readers of some topics."""

    readers: Mapping[str, Readers]
    """By topic."""
    registry: Registry | None = None
    """Says what ids mean that `schemas/` doesn't have; None where there is no registry."""

    def readers_for(self, topic: str, records: Sequence[Record]) -> Readers:
        """The topic's readers, once the registry was asked for the ids that these records name: before a transaction,
        whose locks are not to wait for it. Lanes ask by themselves: they wait for a registry that is away, and for one
        that lags. Raises RegistryUnavailable."""
        readers = self.readers[topic]
        if self.registry is not None:
            questions = Questions(self.registry, {})
            questions.add(readers, records)
            questions.ask()
        return readers


@contextmanager
def opened_decoder(settings: Settings, topics: Collection[str]) -> Iterator[Decoder]:
    """The decoder of some topics, as the settings say. Raises ConfigurationError."""
    hasher, url = settings.hasher(), settings.registry_url()
    require_key(topics, hasher)
    store = SchemaStore(hasher=hasher)
    readers = {topic: store.readers(topic) for topic in topics}
    with nullcontext() if url is None else Registry(settings.required_registry_url) as registry:
        yield Decoder(readers, registry)


def require_key(topics: Collection[str], hasher: Hasher | None) -> None:
    """Raises ConfigurationError where a topic needs a key to make hashes with, and there is none."""
    hashed = [topic for topic in topics if STREAMS[topic].is_hashed]
    if hashed and hasher is None:
        raise ConfigurationError(
            f"STREAM_HASH_KEY is not set: topic {', '.join(hashed)} needs it, for ids that are never stored; "
            "set it to what `openssl rand -hex 32` prints, and keep it, or leave the topic out with --topic"
        )
