"""Erasing persons: nothing of theirs is left and nothing comes back, in whatever order things happen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text

from stream.catalog import METADATA
from stream.declaration.persons import OnErasure, Person, PersonKind
from stream.declaration.tables import persons_of
from stream.declaration.types import YEAR_2000
from stream.engine.jobs import OTHER_SWEEPS_SECONDS, sweep_erasures, sweepable
from stream.hashing import Hasher
from stream.mysql import dead_letters, erasure, locks, progress
from stream.mysql.errnos import error_of
from stream.records import Record, TopicPartition
from stream.settings import LOOK_BACK_DAYS
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, TOPICS, Datum, uuid_text
from tests.sql.applying import GROUP_ID, Applier, law, outcomes
from tests.stores import HASHER
from tests.waiting import wait_for

LIFECYCLE = "user.lifecycle"
APP_ID = 4_070_707_070
CLERK_ID = "user_planted_2aB"
MARK = "planted-marker"
APP = Person(PersonKind.APP, str(APP_ID))
CLERK = Person(PersonKind.CLERK, CLERK_ID)
TELEGRAM = Person(PersonKind.TELEGRAM, str(2**40))
OURS = ("erasure", "erasure_removal")
"""The tables in which the bare id stays for good."""

BARE_IDS = {
    (table.name, person.column)
    for table in METADATA.tables.values()
    for person in persons_of(table)
    if person.on_erasure is OnErasure.EMPTY_COLUMNS and person.column not in person.emptied
}
"""The columns in which a ledger keeps bare ids."""

Item = tuple[str, Record]


def item(name: str, datum: Datum) -> Item:
    return TOPICS[name], events.record(name, datum)


def versions(first: int = 1) -> Iterator[Datum]:
    while True:
        yield {"event_id": uuid_text(first), "occurred_at": NOON + first * SECOND}
        first += 1


def planted() -> list[Item]:
    """Records about two persons, with values of theirs wherever there is room for one."""
    fresh = versions()
    app = {"user_id": APP_ID}
    clerk = {"clerk_id": CLERK_ID}
    name = {"first_name": f"{MARK}-first", "last_name": f"{MARK}-last", "email": f"{MARK}@example.org"}
    sound = [
        item("AppUserSaved", events.app_user(**app, **name, google_id=MARK, device_token=MARK, **next(fresh))),
        item("TripRecorded", events.trip(**app, travel_mode=MARK, **next(fresh))),
        item("TripRated", events.rating(**app, feedback=MARK, **next(fresh))),
        item("BytemarkPassLogged", events.pass_logged(user_id=str(APP_ID), interaction=MARK, **next(fresh))),
        item("TargetUserSelected", events.target_user(user_id=str(APP_ID), study_id=f"{MARK}-study", **next(fresh))),
        item("UserCreated", events.user_created(**clerk, **name, **next(fresh))),
        item("UserUpdated", events.user_updated(**clerk, **name, changed_by=CLERK_ID, **next(fresh))),
        item("UserDataSet", events.user_data(**clerk, value=json.dumps({MARK: True}), **next(fresh))),
        item("UserSignedIn", events.signed_in(**clerk, device=MARK, ip=MARK, **next(fresh))),
        item("OrderPaid", events.order_paid(**app, card=MARK, **next(fresh))),
        item("OrderItemIssued", events.item_issued(**app, **next(fresh))),
        item("ActivityLocationClustered", events.way(**app, travel_mode=MARK, **next(fresh))),
        item("UserLabelled", events.labelled(**app, **next(fresh))),
        item("UserUnlabelled", events.labelled(**app, label_id=72, **next(fresh))),
        item("UserReferred", events.referred(receiver_user_id=APP_ID, referral_code=MARK, **next(fresh))),
        item("PointsTransacted", events.points(**app, note=MARK, **next(fresh))),
        item("TokensTransacted", events.tokens(**app, **next(fresh))),
        # Of another user, whom this one brought: the row stays.
        item("UserReferred", events.referred(referral_id=82, sender_user_id=APP_ID, referral_code=MARK, **next(fresh))),
        # Of another account, which this one administrates: the row stays.
        item("UserUpdated", events.user_updated(clerk_id="user_other", changed_by=CLERK_ID, **next(fresh))),
    ]
    broken = [
        (topic, record._replace(value=(record.value or b"")[:-1], headers=((MARK, MARK.encode()),)))
        for topic, record in sound
        if record.key in (str(APP).encode(), str(CLERK).encode(), APP.person_id.encode())
    ]
    return sound + broken


def deletions() -> list[Item]:
    fresh = versions(1000)
    return [
        item("AppUserDeleted", events.app_user_deleted(user_id=APP_ID, **next(fresh))),
        item("UserDeleted", events.user_deleted(clerk_id=CLERK_ID, **next(fresh))),
    ]


def tombstones() -> list[Item]:
    return [(LIFECYCLE, events.tombstone(str(person))) for person in (APP, CLERK)]


def apply(applier: Applier, items: Iterable[Item], partition: int = 0) -> None:
    pieces: dict[str, list[Record]] = {}
    for topic, record in items:
        pieces.setdefault(topic, []).append(record)
    if pieces:
        applier.write(*(applier.slice(topic, records, partition) for topic, records in pieces.items()))


def sweep(database: Database, hasher: Hasher | None = HASHER) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons, hasher)


def traces(database: Database) -> list[tuple[str, str]]:
    """The columns of all tables that show a value of the two persons, but for the ids that ledgers keep."""
    wanted = [str(APP_ID), CLERK_ID, MARK]
    shown_in = []
    for table in METADATA.tables:
        for row in database.rows(table) if table not in OURS else []:
            for column, value in row.items():
                shown = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                # Headers are kept in base64.
                if column == "record_headers" and value:
                    shown = str(value) + " ".join(name for name, _ in json.loads(value))
                shown_in += [(table, column) for text in wanted if text in shown]
    return [place for place in shown_in if place not in BARE_IDS]


def content(database: Database) -> dict[str, Any]:
    """Everything that records brought about, but for where and when it was written."""
    hidden = ("kafka_partition", "kafka_offset", "loaded_on")
    own = {table.name for table in METADATA.sorted_tables if "persons" in table.info}
    stored: dict[str, Any] = {
        name: sorted(repr([(key, value) for key, value in row.items() if key not in hidden]) for row in rows)
        for name in own
        for rows in [database.rows(name)]
    }
    stored["erasure"] = sorted(
        (row["person_kind"], row["person_id"], row["erased_on"])
        for row in database.rows("erasure")
        if row["person_kind"] != "research"  # which of these are needed depends on the studies known by then
    )
    stored["dead_letter"] = sorted(
        (row["topic"], row["reason"], row["status"], row["record_key"] or b"") for row in database.rows("dead_letter")
    )
    return stored


@pytest.mark.parametrize("erasing", [deletions, tombstones], ids=["events", "tombstones"])
def test_erased_before_and_erased_after_leave_the_same_and_no_trace(database: Database, erasing: Any) -> None:
    contents = []
    for order in ("after", "before", "same transaction", "both", "first again"):
        database.empty()
        applier = Applier(database)
        steps: dict[str, list[list[Item]]] = {
            "after": [planted(), erasing()],
            "before": [erasing(), planted()],
            "same transaction": [planted() + erasing()],
            "both": [erasing(), planted(), erasing()],
            "first again": [planted(), erasing(), planted()],
        }
        for number, items in enumerate(steps[order]):
            apply(applier, items)
            if order == "after" and number == 0:
                assert len(traces(database)) > 40, "what is planted must be there to be missed"
            sweep(database)
        assert traces(database) == [], order
        assert_drained(database, applier.log, GROUP_ID)
        applier.close()
        seen = content(database)
        seen["dead_letter"] = sorted(set(seen["dead_letter"]))  # a record that lies in the log twice is two of them
        contents.append(seen)
    assert all(later == contents[0] for later in contents)
    (kept,) = contents[0]["user_name_history"]
    assert "'user_other'" in kept
    assert "('changed_by', None)" in kept
    (kept,) = contents[0]["referral_history"]
    assert "('id', 82), ('sender_user_id', None)" in kept
    for ledger in ("points_transaction", "token_transaction", "bytemark_order_payments", "bytemark_order_items"):
        (kept,) = contents[0][ledger]
        assert f"('user_id', {APP_ID})" in kept, "a ledger still adds up"


def test_a_sweep_notes_what_it_removed_and_when(database: Database, applier: Applier) -> None:
    apply(applier, planted())
    apply(applier, deletions())
    assert {row["swept_on"] for row in database.rows("erasure")} == {None}
    sweep(database)
    assert None not in {row["swept_on"] for row in database.rows("erasure")}
    noted = {
        (row["person_kind"], row["person_id"], row["table_name"]): row["rows_removed"]
        for row in database.rows("erasure_removal")
    }
    trips = ("trip", "hntb_trip", "user_rating", "cm_activity_location")
    app_tables = ("auth_user", *trips, "bytemark_pass", "hntb_bytemark_pass", "hntb_target_user")
    emptied = ("bytemark_order_payments", "points_transaction")
    assert noted == {
        **{("app", APP.person_id, name): 1 for name in (*app_tables, *emptied)},
        ("app", APP.person_id, "auth_user_label"): 2,
        ("app", APP.person_id, "referral_history"): 2,  # one deleted, one emptied
        ("app", APP.person_id, "dead_letter"): 6,
        ("clerk", CLERK_ID, "users"): 1,
        ("clerk", CLERK_ID, "user_data"): 3,
        ("clerk", CLERK_ID, "user_sign_in"): 1,
        ("clerk", CLERK_ID, "user_name_history"): 2,  # one deleted, one emptied
        ("clerk", CLERK_ID, "dead_letter"): 4,
    }
    before = [database.rows("erasure"), database.rows("erasure_removal")]
    sweep(database)
    assert [database.rows("erasure"), database.rows("erasure_removal")] == before, "there is nothing left to do"


def test_a_marker_of_a_kind_that_nobody_knows_holds_up_no_other(database: Database, applier: Applier) -> None:
    """Somebody's own entry, or a newer version's: nothing here is about such persons."""
    database.erase(["1"], kind="martian")
    apply(applier, deletions())
    sweep(database)
    unswept = [row["person_kind"] for row in database.rows("erasure") if row["swept_on"] is None]
    assert unswept == ["martian"]


def test_more_rows_than_one_transaction_removes_all_go(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (erasure, dead_letters):
        monkeypatch.setattr(module, "CHANGED_ROWS_MAX", 3)
    fresh = versions()
    apply(applier, [item("UserSignedIn", events.signed_in(clerk_id=CLERK_ID, **next(fresh))) for _ in range(10)])
    apply(applier, [item("UserSignedIn", events.signed_in(clerk_id="user_other", **next(fresh))) for _ in range(4)])
    apply(
        applier,
        [
            item("UserUpdated", events.user_updated(clerk_id=f"u{n}", changed_by=CLERK_ID, **next(fresh)))
            for n in range(7)
        ],
    )
    apply(applier, deletions())
    sweep(database)
    assert database.count("user_sign_in") == 4
    assert [row["changed_by"] for row in database.rows("user_name_history")] == [None] * 7
    noted = {row["table_name"]: row["rows_removed"] for row in database.rows("erasure_removal")}
    assert noted == {"user_sign_in": 10, "user_name_history": 7}


def test_the_latest_moment_of_an_erasure_stays_and_only_a_later_one_is_swept_again(
    database: Database, applier: Applier
) -> None:
    first = events.user_deleted(clerk_id=CLERK_ID, occurred_at=NOON)
    later = events.user_deleted(clerk_id=CLERK_ID, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    told = []
    for datum in (first, later, first, later):
        told.append(outcomes(applier.apply(("UserDeleted", datum)), "erasure"))
        told.append(database.value("SELECT COUNT(*) FROM erasure WHERE swept_on IS NULL"))
        sweep(database)
    assert told == [(1, 0, 0, 0), 1, (0, 1, 0, 0), 1, (0, 0, 1, 0), 0, (0, 0, 1, 0), 0]
    assert_drained(database, applier.log, GROUP_ID)


def test_persons_of_equal_ids_and_other_kinds_are_left_alone(database: Database, applier: Applier) -> None:
    apply(
        applier,
        [item("AppUserSaved", events.app_user(user_id=7)), item("UserCreated", events.user_created(clerk_id="7"))],
    )
    apply(applier, [item("TelegramUserDeleted", events.telegram_user_deleted(telegram_user_id=7))])
    sweep(database)
    assert (database.count("auth_user"), database.count("users")) == (1, 1)
    apply(applier, [(LIFECYCLE, events.tombstone("clerk:7"))])
    sweep(database)
    assert (database.count("auth_user"), database.count("users"), database.count("user_data")) == (1, 0, 0)
    assert_drained(database, applier.log, GROUP_ID)


def test_an_account_in_other_capitals_or_with_a_longer_id_is_another_person(
    database: Database, applier: Applier
) -> None:
    others = ["user_PLANTED_2aB", f"{CLERK_ID}x", "user_planted_2a"]
    fresh = versions()
    created = [events.user_created(clerk_id=clerk_id, **next(fresh)) for clerk_id in (*others, CLERK_ID)]
    apply(applier, [item("UserCreated", datum) for datum in created])
    apply(applier, tombstones())
    sweep(database)
    assert sorted(row["clerk_id"] for row in database.rows("users")) == sorted(others)
    assert_drained(database, applier.log, GROUP_ID)


# --- Writes that were under way


@contextmanager
def sweeping(
    database: Database, hasher: Hasher | None = HASHER
) -> Iterator[tuple[threading.Thread, list[BaseException]]]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            sweep(database, hasher)
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread, errors
    thread.join(10)
    assert not thread.is_alive()


def test_a_write_that_began_before_the_marker_is_swept(database: Database, applier: Applier) -> None:
    """Its statement didn't see the marker, and its row appears only after the first removal."""
    applier.claim("trip")
    lane = database.engine(for_lane=True)
    with lane.connect() as slow:
        transaction = slow.begin()
        slow.execute(text("SELECT * FROM progress WHERE topic = 'trip' FOR UPDATE")).all()
        slow.execute(
            text(
                "INSERT INTO user_rating (id, user_id, trip_id, rating, feedback, created_on, modified_on, event_time, "
                "event_id, kafka_partition, kafka_offset, loaded_on) VALUES (1, :user_id, 1, 5, :mark, NOW(), NOW(), "
                "NOW(), UNHEX(REPEAT('0', 32)), 0, 0, NOW())"
            ),
            {"user_id": APP_ID, "mark": MARK},
        )
        apply(applier, tombstones())
        with sweeping(database) as (thread, errors):
            wait_for(
                lambda: database.waiting_transactions() == 1, "the sweep to wait for the lock", 4, every_seconds=0.2
            )
            assert thread.is_alive(), f"the sweep waits for the lock: {errors}"
            assert {row["swept_on"] for row in database.rows("erasure")} == {None}
            transaction.commit()
        assert errors == []
    assert traces(database) == []
    assert database.count("user_rating") == 0
    assert None not in {row["swept_on"] for row in database.rows("erasure")}
    noted = {row["table_name"]: row["rows_removed"] for row in database.rows("erasure_removal")}
    assert noted == {"user_rating": 1}


def test_a_sweep_that_waits_for_a_writer_holds_up_no_other(database: Database, applier: Applier) -> None:
    for partition in range(3):
        applier.claim("trip", partition)
    apply(applier, tombstones())
    with database.engine(for_lane=True).connect() as slow, database.engine(for_lane=True).connect() as other:
        transaction = slow.begin()
        slow.execute(text("SELECT * FROM progress WHERE topic = 'trip' AND kafka_partition = 1 FOR UPDATE")).all()
        with sweeping(database) as (_, errors):
            wait_for(lambda: database.waiting_transactions() == 1, "the sweep to wait", 4, every_seconds=0.2)
            free = other.execute(text("SELECT kafka_partition FROM progress FOR UPDATE SKIP LOCKED")).scalars()
            assert {0, 2} <= set(free)
            transaction.commit()
        assert errors == []


def test_a_redrive_that_is_a_partitions_first_is_waited_for(database: Database, applier: Applier) -> None:
    """Its progress row is nowhere to be seen yet."""
    apply(applier, tombstones())
    with database.engine(for_lane=True).connect() as slow:
        transaction = slow.begin()
        progress.lock_redrive(slow, TopicPartition("trip", 5), "the topic's id")
        with sweeping(database) as (thread, errors):
            wait_for(lambda: database.waiting_transactions() == 1, "the sweep to wait", 4, every_seconds=0.2)
            assert thread.is_alive()
            transaction.commit()
        assert errors == []


def test_a_write_that_does_not_end_keeps_the_receipt_open(database: Database, applier: Applier) -> None:
    """The sweep gives up after the lock's wait, has promised nothing, and the eraser does it again."""
    applier.claim("trip")
    apply(applier, tombstones())
    with database.engine(for_lane=True).connect() as slow:
        transaction = slow.begin()
        slow.execute(text("SELECT * FROM progress WHERE topic = 'trip' FOR UPDATE")).all()
        with sweeping(database) as (thread, errors):
            thread.join(9)
        assert [error_of(getattr(error, "orig", None)).reason for error in errors] == ["lock_wait"]
        assert {row["swept_on"] for row in database.rows("erasure")} == {None}
        transaction.rollback()
    with database.engine(for_lane=True).connect() as connection:
        assert sweep_erasures(connection, None, LOOK_BACK_DAYS) is None
        assert sweepable(connection, None) == []
    assert all(row["swept_on"] for row in database.rows("erasure"))


def test_the_eraser_sweeps_many_persons_in_bounded_steps(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that took minutes would look like a thread that is stuck."""
    monkeypatch.setattr("stream.engine.jobs.PERSONS_MAX", 2)
    for number in range(1, 6):
        applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=number, event_id=uuid_text(number))))
    left = []
    with database.engine(for_lane=True).connect() as connection:
        while sweep_erasures(connection, None, LOOK_BACK_DAYS) is not None:
            left.append(sum(row["swept_on"] is None for row in database.rows("erasure")))
    assert left == [3, 1]
    assert all(row["swept_on"] for row in database.rows("erasure"))


def test_one_process_sweeps_at_a_time(database: Database, applier: Applier) -> None:
    apply(applier, tombstones())
    with (
        database.engine(for_lane=True).connect() as connection,
        database.engine(for_lane=True).connect() as other,
        locks.held(other, "erasures") as is_theirs,
    ):
        assert is_theirs
        assert sweep_erasures(connection, None, LOOK_BACK_DAYS) == OTHER_SWEEPS_SECONDS
        assert {row["swept_on"] for row in database.rows("erasure")} == {None}
    with database.engine(for_lane=True).connect() as connection:
        assert sweep_erasures(connection, None, LOOK_BACK_DAYS) is None
    assert all(row["swept_on"] for row in database.rows("erasure"))


def test_many_persons_are_swept_with_as_many_statements_as_a_few(database: Database, applier: Applier) -> None:
    """One wait for writers among them. One person after the other, thousands outlasted every process."""
    statements: dict[int, int] = {}
    for count in (3, 60):
        database.empty(["erasure"])
        saved = [("AppUserSaved", events.app_user(user_id=n, event_id=uuid_text(n))) for n in range(1, count + 1)]
        applier.apply(*saved)
        applier.apply(*(("AppUserDeleted", events.app_user_deleted(user_id=n)) for n in range(1, count + 1)))
        with database.engine(for_lane=True).connect() as connection:
            sent: list[str] = []
            event.listen(connection, "before_cursor_execute", lambda *given, sent=sent: sent.append(given[2]))
            assert sweep_erasures(connection, None, LOOK_BACK_DAYS) is None
        assert database.count("auth_user") == 0
        statements[count] = len(sent)
    assert statements[60] == statements[3]
    assert sum("FROM progress FOR UPDATE SKIP LOCKED" in " ".join(statement.split()) for statement in sent) == 1


# --- Any order


def _names(first: int, study: str, user: str) -> Iterator[tuple[int, str | None, str | None]]:
    """The names of a participant, each with a number for the hash that it becomes: by the id it is the newest key's."""
    yield first, user, None
    for number, hash_id in enumerate(HASHER.known_hash_ids(study, user), first):
        yield number, None, hash_id


# By their id, and by a hash of ours, of one who is erased and of one who isn't. Each hash has a registration of its
# own, for that belongs to whoever comes first.
participants = st.sampled_from(
    [
        {"target_user_id": 1 + number, "user_id": user_id, "hash_id": hash_id, "study_id": study}
        for study_number, study in enumerate(("s", "t"))
        for user_number, user in enumerate(("1", "2"))
        for number, user_id, hash_id in _names(10 * study_number + 100 * user_number, study, user)
    ]
)


@st.composite
def logs(draw: st.DrawFn) -> list[Item]:
    """Records about few accounts, some of which are erased at some place in the log, some records broken."""
    numbers = draw(st.permutations(range(1, draw(st.integers(2, 20)))))
    log: list[Item] = []
    accounts = st.sampled_from(["a", "b", "A"])
    for number in numbers:
        version = {"event_id": uuid_text(number), "occurred_at": NOON + draw(st.integers(0, 3)) * SECOND}
        account, user = draw(accounts), draw(st.integers(1, 2))
        by = draw(st.none() | accounts)
        first_name = draw(st.sampled_from(["", "Zoë"]))
        key = draw(st.sampled_from([("signup_source", '"admin"'), ("feature_flags", "{}")]))
        other, note = draw(st.integers(1, 3)), draw(st.none() | st.just("note"))
        log.append(
            draw(
                st.sampled_from(
                    [
                        item("AppUserSaved", events.app_user(user_id=user, **version)),
                        item("TripRecorded", events.trip(trip_id=user, user_id=user, **version)),
                        item(
                            "BytemarkPassLogged",
                            events.pass_logged(user_id=str(user), bytemark_pass_id=user, **version),
                        ),
                        item("TargetUserSelected", events.target_user(**draw(participants), **version)),
                        item("UserCreated", events.user_created(clerk_id=account, **version)),
                        item(
                            "UserUpdated",
                            events.user_updated(
                                clerk_id=account, first_name=first_name, last_name=None, changed_by=by, **version
                            ),
                        ),
                        item("UserDataSet", events.user_data(clerk_id=account, key=key[0], value=key[1], **version)),
                        item("UserSignedIn", events.signed_in(clerk_id=account, **version)),
                        item("OrderPaid", events.order_paid(payment_id=other, user_id=user, card=note, **version)),
                        item("UserLabelled", events.labelled(user_id=user, label_id=other, **version)),
                        item("UserUnlabelled", events.labelled(user_id=user, label_id=other, **version)),
                        item(
                            "UserReferred",
                            events.referred(sender_user_id=user, receiver_user_id=other, referral_code=note, **version),
                        ),
                        item(
                            "PointsTransacted", events.points(transaction_id=other, user_id=user, note=note, **version)
                        ),
                        item("TokensTransacted", events.tokens(transaction_id=other, user_id=user, **version)),
                    ]
                )
            )
        )
    erasing = [
        item("UserDeleted", events.user_deleted(clerk_id="a", event_id=uuid_text(900))),
        (LIFECYCLE, events.tombstone("clerk:A")),
        item("AppUserDeleted", events.app_user_deleted(user_id=1, event_id=uuid_text(901))),
        (LIFECYCLE, events.tombstone("app:1", timestamp_ms=-1)),
        (LIFECYCLE, events.tombstone("app:01")),
    ]
    log += draw(st.lists(st.sampled_from(erasing), max_size=4))
    log += [
        (topic, record._replace(value=(record.value or b"x") + b"\0"))
        for topic, record in draw(st.lists(st.sampled_from(log), max_size=3))
    ]
    return draw(st.permutations(log + draw(st.lists(st.sampled_from(log), max_size=4))))


@law
@given(log=logs(), chance=st.randoms(use_true_random=False))
def test_any_order_of_events_erasures_and_sweeps_gives_the_rows_of_the_model(
    database: Database, log: list[Item], chance: Any
) -> None:
    database.empty()
    applier = Applier(database)
    while log:
        size = chance.randint(1, 8)
        batch, log = log[:size], log[size:]
        apply(applier, batch, partition=chance.randrange(2))
        if chance.random() < 0.3:
            sweep(database)
    sweep(database)
    applier.close()
    assert_drained(database, applier.log, GROUP_ID)


# --- What grows, beside what is set


def test_the_view_shows_what_grows_beside_what_is_set(database: Database, applier: Applier) -> None:
    at = {number: {"event_id": uuid_text(number), "occurred_at": NOON + number * SECOND} for number in range(1, 9)}
    apply(
        applier,
        [
            item("UserDataSet", events.user_data(clerk_id="a", **at[1])),
            item(
                "UserSignedIn",
                events.signed_in(clerk_id="a", signed_in_on=YEAR_2000 + 3 * SECOND + 5, device='i"\\🚌', **at[2]),
            ),
            item(
                "UserSignedIn",
                events.signed_in(clerk_id="a", signed_in_on=YEAR_2000 + 1 * SECOND, success=False, ip=None, **at[3]),
            ),
            item(
                "UserSignedIn",
                events.signed_in(clerk_id="a", signed_in_on=YEAR_2000 + 2 * SECOND, device=None, **at[4]),
            ),
            item(
                "UserSignedIn",
                events.signed_in(clerk_id="b", signed_in_on=YEAR_2000 + 9 * SECOND, success=False, **at[5]),
            ),
            item("UserUpdated", events.user_updated(clerk_id="a", first_name="Z", last_name=None, **at[7])),
            item(
                "UserUpdated", events.user_updated(clerk_id="a", first_name="Y", last_name="O", changed_by="b", **at[6])
            ),
        ],
    )
    values = {
        (row.clerk_id, row.key): json.loads(row.value)
        for row in database.query("SELECT clerk_id, `key`, value FROM user_data_with_history")
    }
    day = "2000-01-01T00:00:0"
    assert values == {
        ("a", "feature_flags"): {"beta": True},
        ("a", "session_count"): 2,
        ("a", "last_active"): f"{day}3.000005Z",
        ("a", "login_history"): [
            {"timestamp": f"{day}1.000000Z", "device": "iPhone", "success": False},
            {"timestamp": f"{day}2.000000Z", "ip": "192.0.2.7", "success": True},
            {"timestamp": f"{day}3.000005Z", "device": 'i"\\🚌', "ip": "192.0.2.7", "success": True},
        ],
        ("b", "login_history"): [
            {"timestamp": f"{day}9.000000Z", "device": "iPhone", "ip": "192.0.2.7", "success": False}
        ],
        ("a", "name_history"): [
            {"first_name": "Y", "last_name": "O", "timestamp": "2026-05-28T20:26:46.000000Z", "changed_by": "b"},
            {"first_name": "Z", "last_name": "", "timestamp": "2026-05-28T20:26:47.000000Z"},
        ],
    }


def test_an_erased_account_has_no_row_in_the_view(database: Database, applier: Applier) -> None:
    apply(applier, planted())
    assert database.value("SELECT COUNT(*) FROM user_data_with_history WHERE clerk_id = :one", one=CLERK_ID) > 3
    apply(applier, tombstones())
    sweep(database)
    assert database.value("SELECT COUNT(*) FROM user_data_with_history WHERE clerk_id = :one", one=CLERK_ID) == 0
