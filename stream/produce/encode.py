"""Datum → message: the bytes that a producer of this schema version would publish."""

from collections.abc import Callable, Mapping
from io import BytesIO
from operator import itemgetter
from random import Random
from types import SimpleNamespace
from typing import Any

from fastavro import schemaless_writer

from stream.produce.plan import Framing, Kind, Message
from stream.produce.topics import Datum, Synthetic
from stream.produce.topics.declaration import IS_TOMBSTONE
from stream.schemas.store import SchemaStore
from stream.schemas.version import SchemaVersion

Schema = Any
Form = tuple[bytes, Schema]
"""The bytes before a datum, and the writer schema that they name."""


def written(header: bytes, schema: Schema, datum: Mapping[str, Any]) -> bytes:
    """A record's value; what the datum has beyond the schema is left out."""
    buffer = BytesIO()
    buffer.write(header)
    schemaless_writer(buffer, schema, datum)
    return buffer.getvalue()


class Encoder:
    """Encodes the data of one record: in its newest version, or now and then in an older one."""

    def __init__(self, synthetic: Synthetic, store: SchemaStore, framing: Framing, older_version_share: float) -> None:
        self.synthetic = synthetic
        self.topic = synthetic.stream.topic
        self._key = _key_maker(synthetic)
        self.newest = store.newest(self.topic, synthetic.record_name)
        self._forms = _forms([self.newest], store, framing)
        self._older_forms = _forms(self._versions_before_newest(store), store, framing)
        self._older_share = older_version_share if self._older_forms else 0.0

    def _versions_before_newest(self, store: SchemaStore) -> list[SchemaVersion]:
        return [
            version
            for version in store.versions.values()
            if (version.topic, version.record_name) == (self.topic, self.newest.record_name)
            and version.version < self.newest.version
        ]

    def key_of(self, datum: Datum) -> bytes:
        return str(self._key(datum)).encode()

    def encode(self, datum: Datum, kind: Kind, chance: Random) -> Message:
        if datum.get(IS_TOMBSTONE):
            return Message(self.topic, self.key_of(datum), None, [], kind)
        forms = self._forms
        if self._older_share and chance.random() < self._older_share:
            forms = self._older_forms
        header, schema = forms[0] if len(forms) == 1 else chance.choice(forms)
        return Message(self.topic, self.key_of(datum), written(header, schema, datum), [], kind)

    def header(self, chance: Random) -> bytes:
        """Bytes that may stand before a datum of the newest version."""
        return chance.choice(self._forms)[0]


def _key_maker(synthetic: Synthetic) -> Callable[[Datum], Any]:
    """Datum → what the Kafka key names, also where the event has it as a property made from its fields."""
    key = synthetic.stream.key
    attribute = getattr(synthetic.event, key)
    if not isinstance(attribute, property):
        return itemgetter(key)
    make = attribute.fget
    assert make is not None, "a property can be read"
    return lambda datum: make(SimpleNamespace(**datum))


def _forms(versions: list[SchemaVersion], store: SchemaStore, framing: Framing) -> list[Form]:
    forms: list[Form] = []
    for version in versions:
        if framing is not Framing.CONFLUENT:
            forms.append((version.header, version.plain))
        if framing is not Framing.SINGLE_OBJECT:
            forms.append((store.confluent_header(version), version.plain))
    return forms
