"""The schemas with tests' keys: without any, not all topics can be decoded."""

from stream.hashing import Hasher
from stream.schemas.store import SchemaStore
from tests.keys import HASH_KEYS

HASHER = Hasher.parse(HASH_KEYS)
STORE = SchemaStore(hasher=HASHER)
