"""The schemas with tests' keys: without any, not all topics can be decoded; and registered with a registry."""

from collections.abc import Mapping

from stream.hashing import Hasher
from stream.schemas.framing import confluent_header
from stream.schemas.registry import Registry
from stream.schemas.store import SchemaStore
from tests.keys import HASH_KEYS

HASHER = Hasher.parse(HASH_KEYS)
STORE = SchemaStore(hasher=HASHER)


def registered(url: str) -> Mapping[str, bytes]:
    """By the name of each schema, such as TripRated.v1, what stands before its data once this registry knows it."""
    with Registry(url) as registry:
        ids = {each.name: registry.register([each])[0].schema_id for each in STORE.versions.values()}
    return {name: confluent_header(schema_id or 0) for name, schema_id in ids.items()}
