"""`stream check`: everything that must agree, compared: schemas, catalog, tables, topics, registry, server settings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from stream.catalog import STREAMS
from stream.errors import ConfigurationError, StreamError
from stream.kafka import topics
from stream.kafka.brokers import Brokers
from stream.mysql import migrate, views
from stream.mysql.connection import connect_engine, read_connection, server_name
from stream.reports import VIEWS
from stream.schemas.compatibility import incompatibilities
from stream.schemas.registry import COMPATIBILITY, Registry, subject_of
from stream.schemas.store import SchemaStore
from stream.schemas.version import SchemaVersion
from stream.settings import Settings
from stream.stages.upsert import JSON_BYTES_MAX

PACKET_BYTES_MIN = 4 * JSON_BYTES_MAX
"""Room for a statement whose every character has to be escaped."""


@dataclass(frozen=True)
class Finding:
    """One thing that was compared. `todo` is empty where it is as it must be."""

    area: str
    subject: str
    is_right: bool
    found: str
    todo: str = ""


def check(settings: Settings) -> list[Finding]:
    """Compare everything; an area that can't be reached is itself a finding."""
    areas: dict[str, Callable[[Settings], Iterator[Finding]]] = {
        "schemas": check_schemas,
        "compatibility": check_schema_files,
        "database": check_database,
        "views": check_views,
        "topics": check_topics,
    }
    if settings.registry_url() is not None:
        areas["schema registry"] = check_schema_registry
    findings: list[Finding] = []
    for area, compare in areas.items():
        try:
            findings += compare(settings)
        except StreamError as error:
            findings.append(Finding(area, "reachable and readable", False, str(error), "set this right first"))
    return findings


def check_schemas(_settings: Settings) -> Iterator[Finding]:
    """Every event of the catalog has a schema whose newest version has the event's fields."""
    store = SchemaStore()
    for stream in STREAMS.values():
        store.readers(stream.topic)
        for route in stream.bound_routes:
            newest = store.newest(stream.topic, route.record_name)
            written = {field["name"] for field in newest.source["fields"]}
            declared = set(route.event.__struct_fields__)
            yield Finding(
                "schemas",
                f"{stream.topic}/{newest.name}",
                written == declared,
                "has the event's fields" if written == declared else f"differs in {sorted(written ^ declared)}",
                "" if written == declared else "make the newest schema and the catalog's event agree",
            )


def check_schema_files(_settings: Settings) -> Iterator[Finding]:
    """Each newest schema reads all that was written with the versions before it."""
    store = SchemaStore()
    for topic, record_name in records():
        *older, newest = store.versions_of(topic, record_name)
        wrong = [
            f"data of {one.name}: {where}" for one in older for where in incompatibilities(one.source, newest.source)
        ]
        todo = "give new fields a default, and keep the types of the others" if wrong else ""
        found = "; ".join(wrong) or f"reads the data of {len(older)} older version(s)"
        yield Finding("compatibility", f"{topic}/{newest.name}", not wrong, found, todo)


def check_schema_registry(settings: Settings) -> Iterator[Finding]:
    """Each newest schema is registered, or could be, under a subject that keeps it compatible."""
    store = SchemaStore()
    with Registry(settings.required_registry_url()) as registry:
        for topic, record_name in records():
            yield _registry_finding(registry, store.newest(topic, record_name))


def _registry_finding(registry: Registry, newest: SchemaVersion) -> Finding:
    subject = subject_of(newest)
    level, schema_id = registry.compatibility_of(subject), registry.id_of(newest)
    if schema_id is None and not registry.takes(newest):
        found, todo = "incompatible with what is registered", "give new fields a default, and keep the others' types"
    elif schema_id is None:
        found, todo = "not registered", "run `stream schemas register`"
    elif level != COMPATIBILITY:
        found, todo = f"id {schema_id}, with the compatibility level {level}", "run `stream schemas register`"
    else:
        found, todo = f"id {schema_id}", ""
    return Finding("schema registry", f"{subject} ({newest.name})", not todo, found, todo)


def records() -> Iterator[tuple[str, str]]:
    """Each topic with each of its records' names."""
    for stream in STREAMS.values():
        for route in stream.bound_routes:
            yield stream.topic, route.record_name


def check_database(settings: Settings) -> Iterator[Finding]:
    """The server's settings, the migrations, and the tables column by column."""
    return _database_findings(settings.required_database_url())


def check_views(settings: Settings) -> Iterator[Finding]:
    """Each view is as declared. `stream run` goes on where one is not: no row depends on it."""
    with read_connection(connect_engine(settings.required_database_url())) as connection:
        differing = views.differences(connection, VIEWS)
    if not differing:
        yield Finding("views", f"all {len(VIEWS)}", True, "as declared")
    for name, why in differing.items():
        yield Finding("views", name, False, why, "run `stream migrate`")


def _database_findings(database_url: str) -> Iterator[Finding]:
    with read_connection(connect_engine(database_url)) as connection:
        yield Finding("database", "server", True, server_name(connection))
        yield from _server_settings(connection)
        missing = migrate.pending(connection)
        yield Finding(
            "database",
            "migrations",
            not missing,
            f"{len(missing)} to run" if missing else "all are run",
            "run `stream migrate`" if missing else "",
        )
        if not missing:
            differing = migrate.differences(connection)
            yield Finding(
                "database",
                "tables",
                not differing,
                "; ".join(differing) or "as declared",
                "somebody changed a table by hand: change it back, or declare and migrate it" if differing else "",
            )


def _server_settings(connection: Connection) -> Iterator[Finding]:
    def number(name: str) -> int:
        return int(connection.execute(text(f"SELECT @@GLOBAL.{name}")).scalar_one())

    packet = number("max_allowed_packet")
    yield Finding(
        "database",
        "max_allowed_packet",
        packet >= PACKET_BYTES_MIN,
        f"{packet} bytes",
        "" if packet >= PACKET_BYTES_MIN else f"set it to {PACKET_BYTES_MIN} or more",
    )
    flush = number("innodb_flush_log_at_trx_commit")
    yield Finding(
        "database",
        "innodb_flush_log_at_trx_commit",
        flush == 1,
        str(flush),
        "" if flush == 1 else "set it to 1: otherwise a crash of the server loses what was committed",
    )


def require_fit_database(database_url: str) -> str:
    """The server's name, where its settings and the tables are as they must be.

    Raises ConfigurationError that says all that differs, and DatabaseUnavailable.
    """
    findings = list(_database_findings(database_url))
    wrong = [one for one in findings if not one.is_right]
    if wrong:
        raise ConfigurationError("\n".join(f"{one.subject}: {one.found}; {one.todo}" for one in wrong))
    return next(one.found for one in findings if one.subject == "server")


def check_topics(settings: Settings) -> Iterator[Finding]:
    """Each declared topic exists, with its partitions and settings."""
    differences = topics.differences(Brokers(settings.required_kafka()), STREAMS.values())
    for topic in STREAMS:
        differing = [each for each in differences if each.topic == topic]
        if not differing:
            yield Finding("topics", topic, True, "as declared")
        for each in differing:
            todo = "run `stream topics create`" if each.subject == "missing" else "alter the topic, or its declaration"
            yield Finding("topics", topic, False, f"{each.subject}: {each.actual}, declared {each.declared}", todo)
