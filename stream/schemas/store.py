"""The schema store: every version of every record's Avro schema, found by the header that names it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from stream.catalog import STREAMS
from stream.declaration.streams import Stream
from stream.errors import ConfigurationError, Reason
from stream.hashing import Hasher
from stream.paths import SCHEMAS_FOLDER
from stream.schemas.framing import LOCAL_ID_MIN, SCHEMA_ID_MAX, confluent_header
from stream.schemas.readers import Reader, Readers, refuse_other_decimals
from stream.schemas.version import SchemaVersion, load_version


class SchemaStore:
    """The schemas of a folder. Raises ConfigurationError where two schemas can't be told apart, a version is missing,
    or a decimal's digits differ from the catalog's."""

    def __init__(
        self,
        folder: Path = SCHEMAS_FOLDER,
        streams: Mapping[str, Stream] = STREAMS,
        hasher: Hasher | None = None,
        ids: Mapping[int, str] | None = None,
    ) -> None:
        """`ids` names the file of each id that producers write; without it, each topic's `ids.json` does."""
        self.folder = folder
        self.hasher = hasher
        self.streams = streams
        self.versions = {path: load_version(path) for path in sorted(folder.glob("*/*.avsc"))}
        self._refuse_equal_fingerprints()
        self.ids = self._load_ids() if ids is None else ids

    def versions_of(self, topic: str, record_name: str) -> list[SchemaVersion]:
        """All versions of a record's schema, the oldest first."""
        versions = (each for each in self.versions.values() if (each.topic, each.record_name) == (topic, record_name))
        return sorted(versions, key=lambda each: each.version)

    def newest(self, topic: str, record_name: str) -> SchemaVersion:
        """The newest version of a record's schema; the one we read with."""
        versions = self.versions_of(topic, record_name)
        if not versions:
            raise ConfigurationError(
                f"no schema for {record_name}: add {self.folder.name}/{topic}/{record_name}.v1.avsc"
            )
        return versions[-1]

    def readers(self, topic: str) -> Readers:
        """The readers of a topic's records, of all versions."""
        stream = self.streams[topic]
        routes = {route.record_name: route for route in stream.bound_routes}
        newest = {name: self.newest(topic, name) for name in routes}
        by_header: dict[bytes, Reader] = {}
        refused: dict[bytes, Reason] = {}
        for header, version in self._headers():
            if version.topic != topic:
                refused[header] = Reason.UNEXPECTED_RECORD
                continue
            if version.record_name not in routes:
                raise ConfigurationError(
                    f"schema {topic}/{version.name} belongs to no event of the catalog: "
                    f"declare {version.record_name} in its stream, or remove the schema"
                )
            route, ours = routes[version.record_name], newest[version.record_name]
            refuse_other_decimals(version, route, ours)
            by_header[header] = Reader.of(version.name, route, version.plain, ours)
        carried = [(route, newest[name]) for name, route in routes.items()]
        return Readers(by_header, refused, carried, stream.tombstone_routes, self.hasher)

    def confluent_header(self, version: SchemaVersion) -> bytes:
        """The header of a datum of this schema in Confluent's wire format."""
        for schema_id, name in self.ids.items():
            if name == version.file_name:
                return confluent_header(schema_id)
        raise ConfigurationError(
            f"schema {version.name} has no id: run `stream schemas register` where there is a schema registry, "
            f"else add it to {self.folder.name}/{version.topic}/ids.json"
        )

    def _headers(self) -> Iterator[tuple[bytes, SchemaVersion]]:
        for version in self.versions.values():
            for header in version.headers.values():
                yield header, version
        for schema_id, name in self.ids.items():
            yield confluent_header(schema_id), self.versions[self.folder / name]

    def _refuse_equal_fingerprints(self) -> None:
        """Avro's fingerprints ignore defaults and logical types, so schemas that differ only there look the same."""
        seen: dict[bytes, SchemaVersion] = {}
        for version in self.versions.values():
            others = (seen.setdefault(header, version) for header in version.headers.values())
            for other in (other for other in others if other is not version):
                raise ConfigurationError(
                    f"schemas {other.topic}/{other.name} and {version.topic}/{version.name} have one fingerprint: "
                    "a new version must differ in more than defaults, docs and logical types"
                )

    def _load_ids(self) -> dict[int, str]:
        """The ids of all topics' `ids.json`, each with the file that it names."""
        ids: dict[int, str] = {}
        for path in sorted(self.folder.glob("*/ids.json")):
            for schema_id, name in _ids_in(path).items():
                version = self.versions.get(path.with_name(name))
                if not LOCAL_ID_MIN <= schema_id <= SCHEMA_ID_MAX:
                    raise ConfigurationError(
                        f"{_shown(path)} has the id {schema_id}, which a schema registry could give to another schema: "
                        f"take one from {LOCAL_ID_MIN} to {SCHEMA_ID_MAX}"
                    )
                if version is None:
                    raise ConfigurationError(f"{_shown(path)} names {name}, which is not there")
                if schema_id in ids:
                    other = (self.folder / ids[schema_id]).with_name("ids.json")
                    raise ConfigurationError(
                        f"{_shown(other)} and {_shown(path)} both have the id {schema_id}: "
                        "an id names one schema; give the newer schema another id"
                    )
                ids[schema_id] = version.file_name
        return ids


def _ids_in(path: Path) -> dict[int, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[int, str])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{_shown(path)} must map schema ids to files of its folder: {error}") from error


def _shown(path: Path) -> str:
    """A topic's file, as messages name it."""
    return "/".join(path.parts[-3:])
