"""Settings, all from the environment; an unknown or unusable one is an error that says what to change.

Every secret can also be given as `…_FILE`, the path of a file that holds it. `STREAM_KAFKA_<PROPERTY>` passes any
property on to librdkafka: `STREAM_KAFKA_BOOTSTRAP_SERVERS` is `bootstrap.servers`.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError

from stream.errors import ConfigurationError
from stream.hashing import Hasher

PREFIX = "STREAM_"
KAFKA_PREFIX = "STREAM_KAFKA_"

SECRETS = {"DATABASE_URL", "HASH_KEY", "SCHEMA_REGISTRY_URL"}
KAFKA_SECRETS = {
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
}
INSTANCE_ID = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
"""Kafka's rule for the names of static members. The column of a partition's owner has room for more."""

LOOK_BACK_DAYS = 7
"""The dashboards' windows of our sources are a week; Amazon QuickSight has no default to go by."""


RESERVED_GROUPS = ("(", "replay:")
"""Beginnings of the names under which progress has ledgers of our own: of what was redriven, and of replays."""


def _unreserved(group_id: str) -> str:
    if group_id.startswith(RESERVED_GROUPS):
        raise ValueError(f"our own ledgers have names that begin with {' or '.join(RESERVED_GROUPS)}: take another one")
    return group_id


class Settings(BaseModel):
    """The settings of the service. Each field is the setting `STREAM_<FIELD>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: SecretStr | None = Field(default=None, description="mysql+pymysql://user:password@host:port/database")
    schema_registry_url: SecretStr | None = Field(
        default=None,
        description="a schema registry with Confluent's API, which says what the ids of Confluent's wire format "
        "mean that no schemas/<topic>/ids.json has",
    )
    group_id: Annotated[str, AfterValidator(_unreserved)] = Field(
        default="stream",
        min_length=1,
        max_length=255,
        description="the Kafka consumer group; not with `(` or `replay:` in front",
    )
    lanes: Annotated[int, Field(ge=1, le=32)] = Field(
        default=2, description="threads that decode and write, each with a MySQL connection"
    )
    batch_records_max: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=10_000, description="the most records of one poll, and so of one transaction"
    )
    linger_ms: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=50,
        description="how long records are gathered behind others, in milliseconds; after a rest the next goes at once",
    )
    dead_letter_ratio_max: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2,
        description="the greatest share of a topic's records in a minute that may be rejected for one reason; "
        "beyond it the topic rests for a while; 1 never rests",
    )
    dead_letter_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30, description="how long the content of a dead letter is kept after its last rejection, in days"
    )
    keep_days: Annotated[int, Field(ge=7, le=3650)] = Field(  # less would take a replay that rests for one given up
        default=365,
        description="how long it is kept what was replayed, and where settled dead letters were and why, in days; "
        "docs/housekeeping.md says what else is kept how long",
    )
    look_back_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=LOOK_BACK_DAYS,
        description="how far back the dashboards' incremental refreshes look, in days; what changes on an earlier "
        "date is told by `stream late-changes`",
    )
    quality_minutes: Annotated[int, Field(ge=0, le=10_080)] = Field(
        default=60, description="how often each check of data quality is run, in minutes; 0 for never"
    )
    http_host: str = Field(
        default="127.0.0.1",
        description="the address that /metrics, /livez and /readyz listen on; `::` is all of them, IPv4 included",
    )
    http_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=9108, description="their port; 0 takes a free one and logs it"
    )
    hash_key: SecretStr | None = Field(
        default=None,
        description="keys the hashes of research participants: at least 32 characters; after a rotation the older "
        "keys follow the newest, separated by spaces or line breaks",
    )
    log_format: Annotated[str, Field(pattern="^(json|console)$")] = Field(
        default="json", description="json for machines, console for people"
    )
    debug: bool = Field(
        default=False, description="show the traceback of a fault of ours; it may hold values of records"
    )
    _files: dict[str, Path] = PrivateAttr(default_factory=dict)
    """The files of secrets that were given so, by the names of the settings."""
    kafka: dict[str, str] = Field(  # passwords may be among them
        default_factory=dict, repr=False, description="properties passed on to librdkafka"
    )

    # Secrets change while a process runs. Those in a file are read again whenever they are asked for.

    def required_database_url(self) -> str:
        """Raises ConfigurationError where it is not set."""
        if self.database_url is None:
            described = Settings.model_fields["database_url"].description
            raise ConfigurationError(f"STREAM_DATABASE_URL is not set: {described}")
        return renewed(self._files.get("STREAM_DATABASE_URL"), self.database_url.get_secret_value())

    def registry_url(self) -> str | None:
        """The URL of the schema registry; None where schemas/ serves."""
        if self.schema_registry_url is None:
            return None
        return renewed(self._files.get("STREAM_SCHEMA_REGISTRY_URL"), self.schema_registry_url.get_secret_value())

    def required_registry_url(self) -> str:
        """Raises ConfigurationError where no schema registry is named."""
        url = self.registry_url()
        if url is None:
            raise ConfigurationError("STREAM_SCHEMA_REGISTRY_URL is not set: a schema registry with Confluent's API")
        return url

    def hasher(self) -> Hasher | None:
        """The maker of the hashes; None where no key is set. Raises ConfigurationError for a short one."""
        return None if self.hash_key is None else Hasher.parse(self.hash_key.get_secret_value())

    def required_kafka(self) -> Mapping[str, str]:
        """librdkafka's properties. Raises ConfigurationError where no broker is named."""
        if "bootstrap.servers" not in self.kafka:
            raise ConfigurationError("STREAM_KAFKA_BOOTSTRAP_SERVERS is not set: host:port of a Kafka broker")
        files = {_property_of(name): file for name, file in self._files.items() if name.startswith(KAFKA_PREFIX)}
        return Properties(self.kafka, files)


class Properties(Mapping[str, str]):
    """Properties of librdkafka, those in files as these are now: so each client that is made has the newest secrets."""

    def __init__(self, given: Mapping[str, str], files: Mapping[str, Path]) -> None:
        self._given = given
        self._files = files

    def __getitem__(self, name: str) -> str:
        return renewed(self._files.get(name), self._given[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def renewed(file: Path | None, text: str) -> str:
    """The content of a secret's file now; the text that it held first where it has none, or can't be read for now."""
    if file is None:
        return text
    with suppress(ConfigurationError):
        return _file_content("", file) or text
    return text


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises ConfigurationError that names every setting that is missing, unknown or out of range,
    never a value."""
    written = {name: text for name, text in environment.items() if name.startswith(PREFIX)}
    files = _files_of(written)
    given = {name: text for name, text in written.items() if name.removesuffix("_FILE") not in files}
    given |= {name: _file_content(f"{name}_FILE", file) for name, file in files.items()}
    kafka = {_property_of(name): text for name, text in given.items() if name.startswith(KAFKA_PREFIX)}
    fixed = {name: text for name, text in given.items() if not name.startswith(KAFKA_PREFIX)}
    rest = {name.removeprefix(PREFIX).lower(): text for name, text in fixed.items()}
    if "kafka" in rest:
        raise ConfigurationError("STREAM_KAFKA is no setting: name the property, as in STREAM_KAFKA_BOOTSTRAP_SERVERS")
    name = kafka.get("group.instance.id")
    if name and not INSTANCE_ID.fullmatch(name):
        raise ConfigurationError(
            "STREAM_KAFKA_GROUP_INSTANCE_ID: Kafka takes 1 to 249 letters, digits, dots, underscores and dashes, and "
            "neither `.` nor `..`"
        )
    try:
        settings = Settings(**rest, kafka=kafka)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigurationError("\n".join(map(_sentence, error.errors()))) from None
    settings._files.update(files)
    return settings


def setting_names() -> list[str]:
    """The fixed settings, as they are written in the environment."""
    return [PREFIX + name.upper() for name in Settings.model_fields if name != "kafka"]


def _files_of(written: Mapping[str, str]) -> dict[str, Path]:
    """The files of secrets that are given so."""
    files = {}
    for name, text in written.items():
        target = name.removesuffix("_FILE")
        if target != name and _is_secret(target):
            if target in written:
                raise ConfigurationError(f"both {target} and {name} are set: keep one of them")
            files[target] = Path(text)
    return files


def _is_secret(name: str) -> bool:
    if name.startswith(KAFKA_PREFIX):
        return _property_of(name) in KAFKA_SECRETS
    return name.removeprefix(PREFIX) in SECRETS


def _file_content(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigurationError(f"{name}: the file can't be read ({why})") from None


def _property_of(name: str) -> str:
    lowered = name.removeprefix(KAFKA_PREFIX).lower()
    return lowered if lowered == "log_level" else lowered.replace("_", ".")  # no other's own name has an underscore


def _sentence(error: Mapping[str, object]) -> str:
    location = error["loc"]
    name = PREFIX + str(location[0] if isinstance(location, tuple) else location).upper()
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, setting_names(), n=1)
        return f"{name} is no setting" + (f": did you mean {near[0]}?" if near else "; `stream run --help` lists them")
    return f"{name}: {str(error['msg']).removeprefix('Value error, ')}"
