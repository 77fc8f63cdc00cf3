"""The edge to a schema registry with Confluent's API: writer schemas by their ids, and our schemas registered there.

Subjects are named by topic and record (`trip-mobility.trip.TripRated`), Confluent's TopicRecordNameStrategy: a topic
carries several records, each with versions of its own.

The client is loaded by the functions that use it: with its web client it takes 14 MB, for which a process without a
registry has no use.
"""

import json
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from fastavro.schema import fullname

from stream.errors import ConfigurationError, RegistryUnavailable, TerminalError, Trouble
from stream.schemas.framing import SCHEMA_ID_MAX
from stream.schemas.version import SchemaVersion

REQUEST_TIMEOUT_SECONDS = 5.0
"""A schema is a few kilobytes; a registry that takes longer is asked again."""

COMPATIBILITY = "BACKWARD_TRANSITIVE"
"""Our promise for each subject: the newest schema reads the data of all earlier ones."""

SUBJECT_NOT_FOUND = 40401
SCHEMA_NOT_FOUND = 40403
LEVEL_NOT_SET = 40408
"""The registry's own codes. A bare 404 means that something else answers at the URL, which says nothing about an id."""

INCOMPATIBLE = 409

Result = TypeVar("Result")

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs each URL, which may hold a password


def subject_of(version: SchemaVersion) -> str:
    """The subject under which a schema's versions evolve."""
    return f"{version.topic}-{fullname(version.source)}"


@dataclass(frozen=True)
class Registration:
    """One version of a schema, and how it stands with the registry."""

    subject: str
    version: str
    schema_id: int | None
    state: str
    """`registered`, `was registered` (by others, or before), `would be registered`."""


class Registry:
    """A client of one registry, for any number of threads. Every method may raise RegistryUnavailable. Messages never
    name the URL, which may hold a password."""

    def __init__(self, url: str | Callable[[], str]) -> None:
        """A URL that may change is asked for anew once the registry refuses us."""
        self._asked_url = url if callable(url) else lambda: url
        self._url = self._asked_url()
        self._client = _client(self._url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def schema(self, schema_id: int) -> str | None:
        """The text of an id's schema, empty where it is not Avro's; None where the registry doesn't know the id. Asked
        once: an id never changes."""
        if schema_id > SCHEMA_ID_MAX:
            return None
        schema = self._ask(lambda: self._client.get_schema(schema_id), SCHEMA_NOT_FOUND)
        if schema is None:
            return None
        if schema.schema_str is None:
            raise RegistryUnavailable(Trouble.REGISTRY_FAILING, "gave an answer without a schema")
        return schema.schema_str if schema.schema_type == "AVRO" else ""

    def id_of(self, version: SchemaVersion) -> int | None:
        """The id of one of our schemas; None where it is not registered."""
        subject, schema = subject_of(version), _schema_of(version)
        answer = self._ask(lambda: self._client.lookup_schema(subject, schema), SUBJECT_NOT_FOUND, SCHEMA_NOT_FOUND)
        return None if answer is None else answer.schema_id

    def ids(self, versions: Iterable[SchemaVersion]) -> dict[int, str]:
        """The ids of those of our schemas that are registered, each with its file, as the schema store takes them."""
        known = ((self.id_of(version), version) for version in versions)
        return {schema_id: version.file_name for schema_id, version in known if schema_id is not None}

    def takes(self, version: SchemaVersion) -> bool:
        """Whether the versions that the subject has would let this one in as their successor."""
        subject, schema = subject_of(version), _schema_of(version)
        answer = self._ask(lambda: self._client.test_compatibility_all_versions(subject, schema), SUBJECT_NOT_FOUND)
        return answer is None or answer

    def compatibility_of(self, subject: str) -> str | None:
        """The subject's own level; None where it has none."""
        return self._ask(lambda: self._client.get_compatibility(subject), SUBJECT_NOT_FOUND, LEVEL_NOT_SET)

    def register(self, versions: Sequence[SchemaVersion], *, is_dry_run: bool = False) -> list[Registration]:
        """Register all versions of one record, the oldest first; what is there already stays as it is. Raises
        TerminalError where the registry finds one incompatible with those that it has."""
        done: list[Registration] = []
        for version in versions:
            subject, schema_id = subject_of(version), self.id_of(version)
            state = "was registered"
            if is_dry_run:
                state = "would be registered" if schema_id is None else state
            else:
                if self.compatibility_of(subject) != COMPATIBILITY:
                    self._ask(partial(self._client.set_compatibility, subject, COMPATIBILITY))
                if schema_id is None:
                    schema_id, state = self._register(version), "registered"
            done.append(Registration(subject, version.name, schema_id, state))
        return done

    def _ask(self, ask: Callable[[], Result], *codes: int) -> Result | None:
        """The registry's answer; None where it refuses with one of these codes of its own. Where it refuses us, the
        next question goes out with the URL as it is by then: its password may have been renewed."""
        try:
            return _asked(ask, *codes)
        except RegistryUnavailable as error:
            url = self._asked_url()
            if error.reason is Trouble.REGISTRY_ACCESS_DENIED and url != self._url:
                with suppress(ConfigurationError):
                    self._client, self._url = _client(url), url
            raise

    def _register(self, version: SchemaVersion) -> int:
        subject, schema = subject_of(version), _schema_of(version)
        schema_id = self._ask(lambda: self._client.register_schema(subject, schema), INCOMPATIBLE)
        if schema_id is None:
            raise TerminalError(
                f"the registry refuses {version.name} for {subject}: it can't read what earlier versions there wrote. "
                "Give new fields a default and keep types; `stream schemas check` compares the files with each other"
            )
        return int(schema_id)


def _asked(ask: Callable[[], Result], *codes: int) -> Result | None:
    """The registry's answer; None where it refuses with one of these codes of its own."""
    from confluent_kafka.schema_registry.error import SchemaRegistryError
    from httpx2 import HTTPError, TimeoutException

    try:
        return ask()
    except SchemaRegistryError as error:
        if error.error_code in codes:
            return None
        status = error.http_status_code
        if status in (401, 403):
            raise RegistryUnavailable(Trouble.REGISTRY_ACCESS_DENIED, f"refuses us (HTTP {status})") from None
        answer = f"answered with HTTP {status}, code {error.error_code}"
        raise RegistryUnavailable(Trouble.REGISTRY_FAILING, answer) from None
    except TimeoutException:
        raise RegistryUnavailable(Trouble.REGISTRY_TIMEOUT, "did not answer in time") from None
    except HTTPError as error:
        if _is_of_tls(error):
            raise RegistryUnavailable(Trouble.REGISTRY_TLS, "has a certificate that nobody here vouches for") from None
        raise RegistryUnavailable(Trouble.REGISTRY_UNREACHABLE, f"can't be reached ({type(error).__name__})") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # no registry's answer
        raise RegistryUnavailable(Trouble.REGISTRY_FAILING, f"gave a strange answer ({type(error).__name__})") from None


def _client(url: str) -> Any:
    """Confluent's client. Raises ConfigurationError for a URL that is none."""
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from httpx2 import URL, InvalidURL

    try:
        for address in url.split(","):  # several addresses of one registry
            URL(address.strip())
        # One attempt each: whoever asks decides how to go on, and says so in metrics and logs.
        return SchemaRegistryClient({"url": url, "timeout": REQUEST_TIMEOUT_SECONDS, "max.retries": 0})
    except (ValueError, InvalidURL):
        raise ConfigurationError(
            "STREAM_SCHEMA_REGISTRY_URL is no URL: write it as in http://localhost:8081, "
            "for Apicurio with /apis/ccompat/v7 behind it"
        ) from None


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _schema_of(version: SchemaVersion) -> Any:
    """A schema as the client takes it."""
    from confluent_kafka.schema_registry import Schema

    return Schema(json.dumps(version.source, ensure_ascii=False), "AVRO")
