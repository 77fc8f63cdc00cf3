"""`stream check`: everything that must agree, compared: schemas, catalog, tables, topics, registry, server settings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from stream.catalog import METADATA, STREAMS
from stream.errors import ConfigurationError, StreamError
from stream.kafka import topics
from stream.kafka.brokers import Brokers
from stream.mysql import grants, migrate, tables, views
from stream.mysql.connection import READ_TIMEOUT_SECONDS, connect_engine, read_connection, server_name
from stream.reports import VIEWS
from stream.schemas.compatibility import incompatibilities
from stream.schemas.registry import COMPATIBILITY, Registry, subject_of
from stream.schemas.store import SchemaStore
from stream.schemas.version import SchemaVersion
from stream.settings import Settings
from stream.stages.values import JSON_BYTES_MAX

PACKET_BYTES_MIN = 4 * JSON_BYTES_MAX
"""Room for a statement whose every character has to be escaped."""


@dataclass(frozen=True)
class Finding:
    """A thing that was compared. `todo` is empty where it is as it must be."""

    area: str
    subject: str
    state: str
    todo: str = ""

    @property
    def is_right(self) -> bool:
        return not self.todo

    def as_row(self) -> dict[str, object]:
        """The columns that commands print."""
        judged = {"is_right": self.is_right, "found": self.state}
        return {"area": self.area, "subject": self.subject, **judged, "todo": self.todo}


def check(settings: Settings) -> list[Finding]:
    """Compare everything; an area that can't be reached is itself a finding."""
    areas: dict[str, Callable[[], Iterator[Finding]]] = {
        "schemas": check_schemas,
        "compatibility": check_schema_files,
        "database": lambda: check_database(settings.required_database_url()),
        "views": lambda: check_views(settings.required_database_url()),
        "topics": lambda: check_topics(Brokers(settings.required_kafka())),
    }
    if settings.registry_url() is not None:
        areas["schema registry"] = lambda: check_schema_registry(settings.required_registry_url())
    findings: list[Finding] = []
    for area, compare in areas.items():
        try:
            findings += compare()
        except StreamError as error:
            findings.append(Finding(area, "reachable and readable", str(error), "set this right first"))
    return findings


def check_schemas() -> Iterator[Finding]:
    """Every event of the catalog has a schema whose newest version has the event's fields."""
    store = SchemaStore()
    for stream in STREAMS.values():
        store.readers(stream.topic)
        for route in stream.bound_routes:
            newest = store.newest(stream.topic, route.record_name)
            written = {field["name"] for field in newest.source["fields"]}
            differing = sorted(written ^ set(route.event.__struct_fields__))
            state = f"differs in {differing}" if differing else "has the event's fields"
            todo = "make the newest schema and the catalog's event agree" if differing else ""
            yield Finding("schemas", f"{stream.topic}/{newest.name}", state, todo)


def check_schema_files() -> Iterator[Finding]:
    """Each newest schema reads all that was written with the versions before it."""
    store = SchemaStore()
    for topic, record_name in records():
        newest = store.newest(topic, record_name)
        *older, _ = store.versions_of(topic, record_name)
        wrong = [
            f"data of {version.name}: {where}"
            for version in older
            for where in incompatibilities(version.source, newest.source)
        ]
        todo = "give new fields a default, and keep the types of the others" if wrong else ""
        state = "; ".join(wrong) or f"reads the data of {len(older)} older version(s)"
        yield Finding("compatibility", f"{topic}/{newest.name}", state, todo)


def check_schema_registry(url: str) -> Iterator[Finding]:
    """Each newest schema is registered, or could be, under a subject that keeps it compatible."""
    store = SchemaStore()
    with Registry(url) as registry:
        for topic, record_name in records():
            yield _registry_finding(registry, store.newest(topic, record_name))
        yield ids_finding(registry, store)


def _registry_finding(registry: Registry, newest: SchemaVersion) -> Finding:
    subject = subject_of(newest)
    level, schema_id = registry.compatibility_of(subject), registry.id_of(newest)
    if schema_id is None and not registry.takes(newest):
        state, todo = "incompatible with what is registered", "give new fields a default, and keep the others' types"
    elif schema_id is None:
        state, todo = "not registered", "run `stream schemas register`"
    elif level != COMPATIBILITY:
        state, todo = f"id {schema_id}, with the compatibility level {level}", "run `stream schemas register`"
    else:
        state, todo = f"id {schema_id}", ""
    return Finding("schema registry", f"{subject} ({newest.name})", state, todo)


def ids_finding(registry: Registry, store: SchemaStore) -> Finding:
    """No id of an `ids.json` means another schema in the registry."""
    other = [
        f"{schema_id} is {name} here, and another schema there"
        for schema_id, name in store.ids.items()
        if registry.schema(schema_id) is not None and registry.id_of(store.versions[store.folder / name]) != schema_id
    ]
    todo = "give the file an id that neither has, before anybody publishes with it" if other else ""
    return Finding("schema registry", "ids of ids.json", "; ".join(other) or "none has another meaning there", todo)


def records() -> Iterator[tuple[str, str]]:
    """Each topic with each of its records' names."""
    for stream in STREAMS.values():
        for route in stream.bound_routes:
            yield stream.topic, route.record_name


def check_database(url: str) -> Iterator[Finding]:
    """The server's settings, the migrations, and the tables column by column."""
    with read_connection(connect_engine(url, seconds_max=READ_TIMEOUT_SECONDS)) as connection:
        yield Finding("database", "server", server_name(connection))
        yield from _server_settings(connection)
        if migrate.is_newer(connection):
            yield Finding("database", "migrations", "of a newer version, which is no harm where the tables are right")
        elif missing := migrate.pending(connection):
            yield Finding("database", "migrations", f"{len(missing)} to run", "run `stream migrate`")
            return
        else:
            yield Finding("database", "migrations", "all are run")
        yield from _tables(connection)
        yield _rights(connection)


def _rights(connection: Connection) -> Finding:
    """The account may do with each table what `stream run` does."""
    missing = grants.missing_rights(connection)
    lacking = "; ".join(
        f"no {right} on {'any table' if len(names) == len(METADATA.tables) else ', '.join(names)}"
        for right, names in missing.items()
    )
    todo = "run what `stream grants --for run` prints" if missing else ""
    return Finding("database", "rights", lacking or "to write all tables", todo)


def _tables(connection: Connection) -> Iterator[Finding]:
    """The differences that keep writes from being right, and remarks about what somebody added."""
    differing = tables.differences(connection)
    harmful = "; ".join(each.text for each in differing if each.is_harmful)
    todo = "somebody changed a table by hand: change it back, or declare and migrate it" if harmful else ""
    yield Finding("database", "tables", harmful or "as declared", todo)
    harmless = "; ".join(each.text for each in differing if not each.is_harmful)
    if harmless:
        yield Finding("database", "added by hand", f"{harmless}: no harm to what is written")


def _server_settings(connection: Connection) -> Iterator[Finding]:
    settings = "SELECT @@GLOBAL.max_allowed_packet, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.local_infile"
    packet, flush, takes_lines = connection.execute(text(settings)).one()
    todo = "" if packet >= PACKET_BYTES_MIN else f"set it to {PACKET_BYTES_MIN} or more"
    yield Finding("database", "max_allowed_packet", f"{packet} bytes", todo)
    todo = "" if flush == 1 else "set it to 1: otherwise a crash of the server loses what was committed"
    yield Finding("database", "innodb_flush_log_at_trx_commit", str(flush), todo)
    state = (
        "1: new rows are loaded" if takes_lines else "0: no harm, but 1 would spare the server work (docs/loading.md)"
    )
    yield Finding("database", "local_infile", state)
    if complaint := migrate.binlog_complaint(connection):
        yield Finding("database", "binlog_format", complaint, "set it to ROW")


def check_views(database_url: str) -> Iterator[Finding]:
    """Each view is as declared. `stream run` goes on where a view is not: no row depends on it."""
    with read_connection(connect_engine(database_url)) as connection:
        differing = views.differences(connection, VIEWS)
        is_newer = migrate.is_newer(connection)
    if not differing or is_newer:
        yield Finding("views", f"all {len(VIEWS)}", "a newer version's" if differing else "as declared")
        return
    for name, why in differing.items():
        todo = "run what `stream grants --for run` prints" if why == views.HIDDEN else "run `stream migrate`"
        yield Finding("views", name, why, todo)


def require_fit_database(database_url: str) -> str:
    """The server's name, where its settings and the tables are as they must be. Raises ConfigurationError that says all
    that differs, and DatabaseUnavailable."""
    findings = list(check_database(database_url))
    wrong = [f"{finding.subject}: {finding.state}; {finding.todo}" for finding in findings if not finding.is_right]
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return next(finding.state for finding in findings if finding.subject == "server")


def check_topics(brokers: Brokers) -> Iterator[Finding]:
    """Each declared topic exists, with its partitions and settings."""
    differences = topics.differences(brokers, STREAMS.values())
    for topic in STREAMS:
        differing = [each for each in differences if each.topic == topic]
        if not differing:
            yield Finding("topics", topic, "as declared")
        for each in differing:
            todo = "run `stream topics create`" if each.subject == "missing" else "alter the topic, or its declaration"
            yield Finding("topics", topic, f"{each.subject}: {each.actual}, declared {each.declared}", todo)
    if by_producers := topics.by_producers_clocks(brokers, STREAMS.values()):
        state = "CreateTime: producers' clocks say through which moment tables are complete (docs/freshness.md), of "
        yield Finding("topics", "message.timestamp.type", state + ", ".join(by_producers))
