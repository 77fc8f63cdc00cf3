"""The fates of dead letters, on each server: redriven, discarded, expired, erased."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from stream.declaration.persons import Person, PersonKind
from stream.engine.jobs import AT_ONCE, Kept, keep_house
from stream.engine.metrics import Metrics
from stream.errors import Reason, RegistryUnavailable
from stream.mysql import erasure, selection
from stream.mysql.dead_letters import CHANGED_ROWS_MAX, LogPart, headers_from_text
from stream.mysql.selection import Coordinates, Selection, discard_some
from stream.operate.erase import receipt
from stream.operate.redrive import Redrive, Redriven
from stream.records import RECORD_BYTES_MAX, Record
from stream.schemas.decoder import Decoder
from stream.schemas.framing import confluent_header
from stream.schemas.registry import Registry
from stream.settings import Settings
from tests import events
from tests.balance import assert_tables
from tests.databases import Database
from tests.events import NOON, RECORDED_MS, SECOND, Datum, trip, uuid_text
from tests.model import expect
from tests.sql.applying import DECODER, Applier
from tests.waiting import wait_for

NONSENSE = Record(0, NOON // 1000, b"11", b"nonsense")


@pytest.fixture
def applier(database: Database) -> Iterator[Applier]:
    applier = Applier(database)
    yield applier
    applier.close()


@contextmanager
def refused(database: Database, rule: str, table: str = "trip") -> Iterator[None]:
    """A rule of the database that is wrong, until it is mended."""
    database.execute(f"ALTER TABLE {table} ADD CONSTRAINT mistaken CHECK ({rule})")
    try:
        yield
    finally:
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT mistaken")


def trips(numbers: Sequence[int], **changes: Any) -> list[tuple[str, Datum]]:
    return [("TripRecorded", trip(trip_id=number, event_id=uuid_text(number), **changes)) for number in numbers]


def redrive(
    database: Database, selection: Selection | None = None, most: int | None = None, **log: dict[int, Record]
) -> list[Redriven]:
    def read_log(part: LogPart, offsets: Sequence[int]) -> dict[int, Record]:
        return log.get("log", {})

    engine = database.engine(for_lane=True)
    return list(Redrive(engine, selection or Selection(), DECODER, read_log).run(most))


def test_no_lock_is_held_while_a_schema_registry_does_not_answer(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane would wait for it, whose records have nothing to do with the registry."""
    monkeypatch.setattr("stream.schemas.registry.REQUEST_TIMEOUT_SECONDS", 2.0)
    unknown = Record(0, RECORDED_MS, b"11", confluent_header(77_777) + b"any")
    applier.write(applier.slice("trip", [unknown]))
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Registry(f"http://127.0.0.1:{silent.getsockname()[1]}") as registry,
        ThreadPoolExecutor(1) as thread,
    ):
        decoder = Decoder(DECODER.readers, registry)
        redriving = Redrive(database.engine(for_lane=True), Selection(), decoder, lambda _part, _offsets: {})
        asked = thread.submit(lambda: list(redriving.run()))
        silent.settimeout(10)
        request, _ = silent.accept()
        with request:
            assert request.recv(1), "the registry is asked"
            database.query("SELECT * FROM dead_letter FOR UPDATE NOWAIT")
            database.query("SELECT * FROM progress FOR UPDATE NOWAIT")
            assert not asked.done()
            with pytest.raises(RegistryUnavailable):
                asked.result()


def statuses(database: Database) -> dict[int, str]:
    return {row["kafka_offset"]: row["status"] for row in database.rows("dead_letter")}


def redriven_ledgers(database: Database) -> tuple[int, int, int, int]:
    (row,) = (row for row in database.rows("progress") if row["group_id"] == "(redrive)")
    names = ("consumed", "written", "superseded", "dead_lettered")
    consumed, written, superseded, dead_lettered = (row[f"records_{name}"] for name in names)
    for ledger in database.rows("ledger"):
        parts = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_suppressed")
        assert ledger["rows_sent"] == sum(ledger[part] for part in parts)
    return consumed, written, superseded, dead_lettered


def test_what_a_mended_rule_refused_is_redriven_once(database: Database, applier: Applier) -> None:
    with refused(database, "distance > 1000000"):
        applier.apply(*trips(range(1, 6)))
        assert redrive(database) == [Redriven("trip", rejected_again=5)]
    assert {row["attempts"] for row in database.rows("dead_letter")} == {2}
    assert redrive(database) == [Redriven("trip", resolved=5)]
    assert redrive(database) == []
    assert_tables(database.snapshot(), expect(applier.log))
    assert redriven_ledgers(database) == (10, 5, 0, 5)
    for row in database.rows("dead_letter"):
        assert (row["status"], row["record_key"], row["record_value"], row["record_headers"]) == (
            "resolved",
            None,
            None,
            None,
        )


def test_whatever_a_record_holds_its_dead_letter_is_kept(database: Database, applier: Applier) -> None:
    """Quotes double in a statement. Keys of garbage would triple as text, in the look for erased persons."""
    quotes = NONSENSE._replace(value=b"'" * (RECORD_BYTES_MAX - 100))
    controls = NONSENSE._replace(headers=[("\x01" * 600_000, b"\x00" * 100_000)])
    keys = [NONSENSE._replace(key=bytes([first]) + b"\xff" * (RECORD_BYTES_MAX // 2)) for first in range(4)]
    beyond = NONSENSE._replace(value=bytes(RECORD_BYTES_MAX + 1))
    applier.write(applier.slice("user.lifecycle", [quotes, controls, *keys, beyond]))
    *kept, last = database.rows("dead_letter")
    assert [(row["record_key"], row["record_value"]) for row in kept] == [
        (record.key, record.value) for record in (quotes, controls, *keys)
    ]
    assert headers_from_text(kept[1]["record_headers"]) == controls.headers
    assert (last["reason"], last["status"]) == ("too_large", "waiting")
    assert (last["record_key"], last["record_value"], last["record_headers"]) == (None, None, None)


def test_what_was_too_large_to_be_kept_is_redriven_from_the_log(database: Database, applier: Applier) -> None:
    """As after a release that takes larger ones; here the log has a sound record there by then."""
    applier.write(applier.slice("trip", [NONSENSE._replace(value=bytes(RECORD_BYTES_MAX + 1)), NONSENSE]))
    assert redrive(database) == [Redriven("trip", rejected_again=1, gone_from_log=1)]
    sound = events.record("TripRecorded", trip(), offset=0)
    assert redrive(database, log={0: sound}) == [Redriven("trip", resolved=1, rejected_again=1)]
    assert database.count("trip") == 1


def test_what_fails_again_tells_its_newest_reason(database: Database, applier: Applier) -> None:
    """The same record is refused by the database first, and by a rule of ours then."""
    with refused(database, "distance > 1000000"):
        applier.apply(*trips([1]))
    database.execute("UPDATE dead_letter SET record_key = 'other'")
    assert redrive(database) == [Redriven("trip", rejected_again=1)]
    (row,) = database.rows("dead_letter")
    assert (row["stage"], row["reason"], row["attempts"]) == ("validate", "key_mismatch", 2)
    assert (row["record_key"], row["status"]) == (b"other", "waiting")


def test_a_newer_state_is_not_overwritten(database: Database, applier: Applier) -> None:
    with refused(database, "travel_mode <> 'sled'"):
        applier.apply(*trips([1], travel_mode="sled"))
    newer = trip(trip_id=1, event_id=uuid_text(2), occurred_at=NOON + 9 * SECOND, travel_mode="canoe")
    applier.apply(("TripRecorded", newer))
    assert redrive(database) == [Redriven("trip", resolved=1)]
    assert database.value("SELECT travel_mode FROM trip") == "canoe"
    assert_tables(database.snapshot(), expect(applier.log))


def test_of_two_versions_of_one_entity_the_newer_stays(database: Database, applier: Applier) -> None:
    with refused(database, "distance > 1000000"):
        for number, mode in ((2, "newer"), (1, "older")):
            version = {"event_id": uuid_text(number), "occurred_at": NOON + number * SECOND}
            applier.apply(("TripRecorded", trip(trip_id=1, travel_mode=mode, **version)))
    assert redrive(database) == [Redriven("trip", resolved=2)]
    assert redriven_ledgers(database) == (2, 1, 1, 0)
    assert database.value("SELECT travel_mode FROM trip") == "newer"


def test_only_what_is_selected_is_redriven_and_no_more_than_asked_for(database: Database, applier: Applier) -> None:
    with refused(database, "distance > 1000000"):
        applier.apply(*trips(range(1, 6)))
    selection = Selection(coordinates=(Coordinates("trip", 0, 3),))
    assert redrive(database, selection) == [Redriven("trip", resolved=1)]
    assert redrive(database, Selection(reason=Reason.TRUNCATED)) == []
    assert redrive(database, most=2) == [Redriven("trip", resolved=2)]
    assert [statuses(database)[offset] for offset in range(5)] == [
        "resolved",
        "resolved",
        "waiting",
        "resolved",
        "waiting",
    ]


def test_a_redrive_takes_a_bounded_number_of_records_and_of_bytes_at_a_time(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single one that holds more is taken by itself."""
    values = [bytes(size) for size in (1000, 1000, 1000, 5000, 1000, 10, 10, 10, 10)]
    applier.write(applier.slice("trip", [NONSENSE._replace(value=value) for value in values]))
    monkeypatch.setattr(selection, "BYTES_MAX", 2500)
    monkeypatch.setattr(selection, "RECORDS_MAX", 4)
    topic_id = database.rows("dead_letter")[0]["topic_id"]
    parts = selection.offsets_waiting(database.engine(), Selection(), LogPart(topic_id, "trip", 0))
    assert list(parts) == [[0, 1], [2], [3], [4, 5, 6, 7], [8]]
    assert redrive(database) == [Redriven("trip", rejected_again=records) for records in (2, 1, 1, 4, 1)]


def test_nothing_of_a_person_who_was_erased_in_between_comes_back(database: Database, applier: Applier) -> None:
    """Neither the one whom the value names, nor the one whom the key names; their dead letter is emptied."""
    with refused(database, "distance > 1000000"), refused_users(database):
        applier.apply(*trips([1], user_id=7), *trips([2], user_id=8))
        applier.apply(("AppUserSaved", events.app_user(user_id=7, event_id=uuid_text(70))))
        assert len(database.rows("dead_letter")) == 3
        applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=7, event_id=uuid_text(71))))
        sweep(database)
    assert database.value("SELECT status FROM dead_letter WHERE topic = 'user.lifecycle'") == "erased"
    assert redrive(database) == [Redriven("trip", resolved=2)]
    assert [row["id"] for row in database.rows("trip")] == [2]
    assert database.count("auth_user") == 0
    assert_tables(database.snapshot(), expect(applier.log))


@contextmanager
def refused_users(database: Database) -> Iterator[None]:
    database.execute("ALTER TABLE auth_user ADD CONSTRAINT mistaken_user CHECK (id > 1000000)")
    try:
        yield
    finally:
        database.execute("ALTER TABLE auth_user DROP CONSTRAINT mistaken_user")


def sweep(database: Database) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons)


def test_a_sweep_waits_for_a_redrive_under_way(database: Database, applier: Applier) -> None:
    """Else a row that was written before the erasure's marker was seen would stay."""
    with refused(database, "distance > 1000000"):
        applier.apply(*trips([1]))
    with ThreadPoolExecutor() as pool, database.engine().connect() as other:
        with other.begin():
            other.exec_driver_sql("SELECT topic FROM dead_letter FOR UPDATE").all()
            redriving = pool.submit(redrive, database)
            ours = "SELECT COUNT(*) FROM (SELECT 1 FROM progress WHERE group_id = '(redrive)' FOR UPDATE SKIP LOCKED) p"
            lock_all = "SELECT topic FROM progress FOR UPDATE NOWAIT"
            wait_for(lambda: is_refused(database, lock_all), "the redrive to hold its row of progress")
            assert database.value(ours) == 0
        assert redriving.result(30) == [Redriven("trip", resolved=1)]
    assert not is_refused(database, lock_all)


def is_refused(database: Database, query: str) -> bool:
    """Whether somebody else holds a lock."""
    try:
        database.query(query)
    except OperationalError:
        return True
    return False


def test_what_is_gone_from_the_log_waits_for_somebody_to_discard_it(database: Database, applier: Applier) -> None:
    """Of topics whose values are never stored the log alone can tell."""
    unfit = events.target_user(target_user_id=1, user_id="x" * 300)
    value = events.encode("TargetUserSelected", unfit)
    written = applier.write(applier.slice("research.target-user", [Record(0, NOON // 1000, b"1", value)]))
    assert len(written[0].rejected) == 1
    assert redrive(database) == [Redriven("research.target-user", gone_from_log=1)]
    sound = events.encode("TargetUserSelected", events.target_user(target_user_id=1))
    log = {0: Record(0, NOON // 1000 + 10**9, b"1", sound)}
    assert redrive(database, log=log) == [Redriven("research.target-user", resolved=1)]
    assert database.count("hntb_target_user") == 1


def test_what_is_discarded_stays_so_though_it_is_read_again(database: Database, applier: Applier) -> None:
    applier.write(applier.slice("trip", [NONSENSE, NONSENSE]))
    with database.engine().begin() as connection:
        selection = Selection(coordinates=(Coordinates("trip", 0, 0),))
        assert discard_some(connection, selection, "a test's") == 1
        assert discard_some(connection, selection, "again") == 0
    database.execute("UPDATE progress SET next_offset = 0")
    again = Applier(database)
    again.write(again.slice("trip", [NONSENSE, NONSENSE]))
    again.close()
    first, second = sorted(database.rows("dead_letter"), key=lambda row: int(row["kafka_offset"]))
    assert (first["status"], first["record_value"], first["record_headers"]) == ("discarded", None, None)
    assert (first["discarded_because"], first["attempts"]) == ("a test's", 2)
    assert (second["status"], second["record_value"], second["attempts"]) == ("waiting", b"nonsense", 2)
    assert redrive(database) == [Redriven("trip", rejected_again=1)]


def test_what_waited_too_long_expires_and_the_gauge_tells_what_still_waits(
    database: Database, applier: Applier
) -> None:
    count = CHANGED_ROWS_MAX + 5
    applier.write(applier.slice("trip", [NONSENSE] * (count + 2)))
    old = "UPDATE dead_letter SET last_rejected_on = UTC_TIMESTAMP(6) - INTERVAL :hours HOUR WHERE kafka_offset"
    database.execute(f"{old} < :count", hours=24 * 7 + 1, count=count)
    database.execute(f"{old} >= :count", hours=24 * 7 - 1, count=count)
    metrics = Metrics()
    labels = {"topic": "trip", "reason": "unknown_framing"}
    with database.engine(for_lane=True).connect() as connection:
        kept = Kept.of(Settings(dead_letter_days=7))
        assert keep_house(connection, metrics, kept) == AT_ONCE, "more than one step empties"
        while keep_house(connection, metrics, kept) == AT_ONCE:
            pass
    assert metrics.registry.get_sample_value("stream_dead_letters_waiting", labels) == 2
    assert metrics.registry.get_sample_value("stream_expired_dead_letters_total") == count
    expired = [row for row in database.rows("dead_letter") if row["status"] == "expired"]
    assert len(expired) == count
    assert {(row["record_key"], row["record_value"], row["record_headers"]) for row in expired} == {(None, None, None)}
    assert redrive(database) == [Redriven("trip", rejected_again=2)]


def test_a_receipt_counts_the_copies_that_an_erasure_cannot_reach(database: Database, applier: Applier) -> None:
    """Those that are still in their topic, and hold anything: of hidden values there are coordinates only."""
    applier.write(applier.slice("trip", [NONSENSE] * 3))
    applier.write(applier.slice("research.target-user", [NONSENSE]))
    published = "UPDATE dead_letter SET published_on = UTC_TIMESTAMP(6) - INTERVAL :days DAY WHERE kafka_offset = :o"
    for offset, days in enumerate((0, 29, 31)):
        database.execute(published, o=offset, days=days)
    applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=7, event_id=uuid_text(71))))
    sweep(database)
    with database.engine().connect() as connection:
        lines = receipt(connection, Person(PersonKind.APP, "7"), copies_kept_days=30)
    copies = [(line.what, line.rows, line.until) for line in lines if "copies" in line.what]
    assert copies == [("remains: copies in trip.dlq, whoever they are about", 2, "its retention, 30 days")]


def test_no_second_look_is_needed_at_what_an_index_finds(database: Database) -> None:
    """The housekeeper asks every few seconds, however many were kept over the years."""
    for query in (
        "SELECT topic, reason, COUNT(*) FROM dead_letter WHERE status = 'waiting' GROUP BY topic, reason",
        "SELECT 1 FROM dead_letter WHERE status = 'waiting' AND last_rejected_on < '2026-01-01'",
        "SELECT 1 FROM dead_letter WHERE status IN ('resolved', 'discarded') AND last_rejected_on < '2026-01-01'",
    ):
        (step,) = database.explain(query)
        assert str(step["key"]).startswith("ix_dead_letter_status"), step
