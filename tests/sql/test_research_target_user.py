"""Research participants: who they are is stored nowhere, and yet they can be erased."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from sqlalchemy import text

from stream.catalog import METADATA
from stream.engine.jobs import sweep_erasures, sweepable
from stream.hashing import Hasher
from stream.schemas.store import SchemaStore
from stream.settings import LOOK_BACK_DAYS
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, target_user, uuid_text
from tests.keys import HASH_KEY, OLDER_HASH_KEY
from tests.sql import applying
from tests.sql.applying import GROUP_ID, Applier, outcomes, upserts_sent
from tests.sql.test_campaign import assert_conflicts
from tests.sql.test_erasure import sweep, sweeping
from tests.stores import HASHER
from tests.waiting import wait_for

TOPIC = "research.target-user"
TABLE = "hntb_target_user"
PLANTED = "4070707070"
STUDY = "study-1"
OUR_HASH, OLDER_HASH = HASHER.known_hash_ids(STUDY, PLANTED)
NAMES: dict[str, dict[str, str | None]] = {
    "by id": {"user_id": PLANTED},
    "by our hash": {"user_id": None, "hash_id": OUR_HASH},
    "by our older hash": {"user_id": None, "hash_id": OLDER_HASH},
}

Selected = tuple[str, Datum]


def selected(number: int, **changes: Any) -> Selected:
    version = {"event_id": uuid_text(number), "occurred_at": NOON + number * SECOND}
    return "TargetUserSelected", target_user(**{"target_user_id": number, **version, **changes})


def erased(number: int = 900, user_id: str = PLANTED) -> Selected:
    return "AppUserDeleted", events.app_user_deleted(event_id=uuid_text(number), user_id=int(user_id))


def ids(database: Database) -> list[int]:
    return sorted(row["id"] for row in database.rows(TABLE))


def traces(database: Database, wanted: str, but: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The columns of all tables that show a text, headers in base64 included."""
    shown_in = []
    for table in {*METADATA.tables} - {*but}:
        for row in database.rows(table):
            shown_in += [(table, column) for column in row if wanted in _shown(row, column)]
    return shown_in


def _shown(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if column == "record_headers" and value:
        headers = json.loads(value)
        return " ".join(base64.b64decode(header or "").decode(errors="replace") + name for name, header in headers)
    return value.decode(errors="replace") + value.hex() if isinstance(value, bytes) else str(value)


# --- What is stored


def test_a_user_is_stored_as_a_hash_with_the_study_and_the_id_of_our_key(database: Database, applier: Applier) -> None:
    applier.apply(selected(1, user_id=PLANTED))
    (row,) = database.rows(TABLE)
    assert (row["hash_id"], row["study_id"], row["key_id"]) == (OUR_HASH, STUDY, HASHER.key_id)
    assert traces(database, PLANTED) == []
    assert_drained(database, applier.log, GROUP_ID)


def test_a_hash_made_elsewhere_is_stored_as_it_came(database: Database, applier: Applier) -> None:
    applier.apply(selected(1, user_id=None, hash_id="0123456789abcdef" * 4))
    (row,) = database.rows(TABLE)
    assert (row["hash_id"], row["key_id"]) == ("0123456789abcdef" * 4, None)


def test_a_repeated_registration_is_a_duplicate(database: Database, applier: Applier) -> None:
    applier.apply(selected(1))
    before = database.rows(TABLE)
    assert outcomes(applier.apply(selected(1)), TABLE) == (0, 0, 1, 0)
    assert database.rows(TABLE) == before
    assert database.count("dead_letter") == 0


def test_a_newer_registration_of_the_same_user_is_a_newer_state(database: Database, applier: Applier) -> None:
    applier.apply(selected(1, target_user_id=5))
    assert outcomes(applier.apply(selected(2, target_user_id=5, created_on=NOON)), TABLE) == (0, 1, 0, 0)
    assert outcomes(applier.apply(selected(1, target_user_id=5)), TABLE) == (0, 0, 1, 0)
    assert_drained(database, applier.log, GROUP_ID)


FIRST, SECOND_ONE = selected(2, target_user_id=5, user_id="7"), selected(3, target_user_id=5, user_id="8")
OLDER_ONE = selected(1, target_user_id=5, user_id=None, hash_id="f" * 64)


@pytest.mark.parametrize("later", [SECOND_ONE, OLDER_ONE], ids=["newer", "older"])
@pytest.mark.parametrize("is_one_batch", [True, False], ids=["in one batch", "one by one"])
def test_an_id_belongs_to_its_first_participant(
    database: Database, applier: Applier, later: Selected, is_one_batch: bool
) -> None:
    again = selected(9, target_user_id=5, user_id="7")
    for batch in [[FIRST, later, again]] if is_one_batch else [[FIRST], [later], [again]]:
        applier.apply(*batch)
    assert [row["hash_id"] for row in database.rows(TABLE)] == [HASHER.hash_id(STUDY, "7")]
    (letter,) = database.rows("dead_letter")
    assert (letter["kafka_offset"], letter["reason"], letter["record_value"]) == (1, "conflict", None)
    assert_conflicts(database, applier, 1)


def test_many_versions_of_another_participant_are_found_together(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [selected(number, target_user_id=5, user_id="8") for number in range(100, 200)]
    sent = upserts_sent(monkeypatch)
    assert len(applier.apply(FIRST, *others).rejected) == 100
    assert len(sent) <= 5
    assert_conflicts(database, applier, *range(1, 101))


def test_an_id_that_is_read_again_still_belongs_to_its_first_participant(database: Database, applier: Applier) -> None:
    log = [FIRST, SECOND_ONE, OLDER_ONE, FIRST]
    applier.apply(*log)
    before = database.rows(TABLE)
    for rewrites in (False, True):
        again = Applier(database, group_id=f"again {rewrites}", resolves=True, rewrites=rewrites)
        written = again.apply(*log)
        again.close()
        assert outcomes(written, TABLE) == (0, 0, 1, 0)
        assert sorted(record.offset for record, _ in written.rejected) == [1, 2]
    assert database.rows(TABLE) == before
    assert [(letter["kafka_offset"], letter["attempts"]) for letter in database.rows("dead_letter")] == [(1, 3), (2, 3)]


def test_an_id_whose_first_participant_is_erased_is_free(database: Database, applier: Applier) -> None:
    applier.apply(FIRST)
    applier.apply(erased(user_id="7"))
    sweep(database)
    assert outcomes(applier.apply(FIRST, SECOND_ONE), TABLE) == (1, 0, 0, 1)
    assert [row["hash_id"] for row in database.rows(TABLE)] == [HASHER.hash_id(STUDY, "8")]
    assert database.count("dead_letter") == 0


def test_a_participant_under_a_newer_key_is_the_same_and_another_one_is_not(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(applying.READERS, TOPIC, SchemaStore(hasher=Hasher.parse(OLDER_HASH_KEY)).readers(TOPIC))
        applier.apply(FIRST)
    assert outcomes(applier.apply(SECOND_ONE, selected(9, target_user_id=5, user_id="7")), TABLE) == (0, 1, 0, 0)
    (row,) = database.rows(TABLE)
    assert (row["hash_id"], row["key_id"]) == (HASHER.hash_id(STUDY, "7"), HASHER.key_id)
    assert [letter["reason"] for letter in database.rows("dead_letter")] == ["conflict"]
    with monkeypatch.context() as patched:  # that key was thrown away: the event is still the one that wrote the row
        patched.setitem(applying.READERS, TOPIC, SchemaStore(hasher=Hasher.parse(OLDER_HASH_KEY)).readers(TOPIC))
        assert outcomes(applier.apply(selected(9, target_user_id=5, user_id="7")), TABLE) == (0, 0, 1, 0)


def test_one_hash_under_two_ids_is_kept(database: Database, applier: Applier) -> None:
    applier.apply(selected(1, user_id="7"), selected(2, user_id="7"))
    applier.apply(selected(3, user_id=None, hash_id=HASHER.hash_id(STUDY, "7")))
    assert ids(database) == [1, 2, 3]
    assert {row["hash_id"] for row in database.rows(TABLE)} == {HASHER.hash_id(STUDY, "7")}


def test_a_replay_after_a_rotation_leaves_the_older_hashes_and_new_ones_get_the_new_key(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Hasher.parse(OLDER_HASH_KEY)
    with monkeypatch.context() as patched:
        patched.setitem(applying.READERS, TOPIC, SchemaStore(hasher=before).readers(TOPIC))
        applier.apply(selected(1, user_id=PLANTED))
    applier.apply(selected(1, user_id=PLANTED), selected(2, user_id=PLANTED))
    hashes = {row["id"]: (row["hash_id"], row["key_id"]) for row in database.rows(TABLE)}
    assert hashes == {1: (OLDER_HASH, before.key_id), 2: (OUR_HASH, HASHER.key_id)}
    applier.apply(erased())
    sweep(database)
    assert ids(database) == []


# --- What is rejected


def test_dead_letters_keep_coordinates_and_reasons_only(database: Database, applier: Applier) -> None:
    record = events.record(*selected(1, user_id=PLANTED))
    value = record.value or b""
    broken = [
        record._replace(value=value[:-1]),
        record._replace(value=value + b"\0"),
        record._replace(value=PLANTED.encode()),
        record._replace(key=PLANTED.encode()),
        record._replace(value=None, key=PLANTED.encode(), headers=((PLANTED, PLANTED.encode()),)),
        events.record(*selected(2, user_id=PLANTED, hash_id=OUR_HASH)),
        events.record(*selected(2, user_id=f" {PLANTED}")),
        events.record(*selected(2, user_id=f"0{PLANTED}")),
        events.record(*selected(2, user_id=PLANTED, study_id="")),
        events.record(*selected(2, user_id=PLANTED * 30)),
    ]
    applier.write(applier.slice(TOPIC, broken))
    letters = database.rows("dead_letter")
    assert len(letters) == len(broken)
    for letter in letters:
        assert {letter[name] for name in ("record_key", "record_value", "record_headers")} == {None}
    assert traces(database, PLANTED) == traces(database, PLANTED.encode().hex()) == []
    assert_drained(database, applier.log, GROUP_ID)


# --- Erasing


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["erased after", "erased before", "both", "in one transaction"])
def test_an_erased_users_registrations_go_however_they_name_the_user(
    database: Database, applier: Applier, name: str, order: str
) -> None:
    applier.apply(selected(50, user_id="8"), selected(51, user_id="8", study_id="another study"))
    registrations = [selected(1, **NAMES[name]), selected(2, **NAMES[name])]
    if order in ("erased before", "both"):
        applier.apply(erased())
        sweep(database)
    if order == "in one transaction":
        applier.write(
            applier.slice("user.lifecycle", [events.record(*erased())]),
            applier.slice(TOPIC, [events.record(*registration) for registration in registrations]),
        )
    else:
        applier.apply(*registrations)
    if order in ("erased after", "both"):
        applier.apply(erased())
    sweep(database)
    applier.apply(*registrations)
    assert ids(database) == [50, 51]
    assert traces(database, PLANTED, but=["erasure", "erasure_removal"]) == []
    assert all(row["swept_on"] for row in database.rows("erasure"))
    assert_drained(database, applier.log, GROUP_ID)


def test_the_same_user_in_another_study_has_another_hash_and_goes_as_well(database: Database, applier: Applier) -> None:
    applier.apply(*(selected(number, user_id=PLANTED, study_id=f"study-{number}") for number in range(1, 5)))
    applier.apply(selected(9, user_id="8"))
    applier.apply(erased())
    sweep(database)
    assert ids(database) == [9]
    (removal,) = database.rows("erasure_removal")
    assert (removal["person_id"], removal["table_name"], removal["rows_removed"]) == (PLANTED, TABLE, 4)


def test_a_stranger_with_anybodys_hash_is_left_alone(database: Database, applier: Applier) -> None:
    applier.apply(selected(1, user_id=None, hash_id="f" * 64), selected(2, user_id="40707070"))
    applier.apply(erased())
    sweep(database)
    assert ids(database) == [1, 2]


def test_a_process_without_a_key_leaves_participants_to_others(database: Database, applier: Applier) -> None:
    applier.apply(selected(1, user_id=PLANTED))
    applier.apply(erased())
    applier.apply(("UserDeleted", events.user_deleted()))
    run_eraser_until_idle(database, hasher=None)
    assert ids(database) == [1]
    swept = {row["person_kind"]: row["swept_on"] is not None for row in database.rows("erasure")}
    assert swept == {"app": False, "clerk": True}

    run_eraser_until_idle(database, hasher=HASHER)
    assert ids(database) == []
    assert all(row["swept_on"] for row in database.rows("erasure"))


def test_a_process_without_a_key_erases_users_while_there_are_no_studies(database: Database, applier: Applier) -> None:
    applier.apply(erased())
    run_eraser_until_idle(database, hasher=None)
    assert all(row["swept_on"] for row in database.rows("erasure"))


def run_eraser_until_idle(database: Database, hasher: Hasher | None) -> None:
    with database.engine(for_lane=True).connect() as connection:
        while sweepable(connection, hasher):
            connection.rollback()
            sweep_erasures(connection, hasher, LOOK_BACK_DAYS)


@pytest.mark.parametrize("hasher", [HASHER, None], ids=["with a key", "without"])
def test_a_study_that_a_write_under_way_brings_is_swept_as_well(
    database: Database, applier: Applier, hasher: Hasher | None
) -> None:
    """Its row appears only after the first removal, and nobody had heard of the study when hashes were computed."""
    applier.claim(TOPIC)
    with database.engine(for_lane=True).connect() as slow:
        transaction = slow.begin()
        slow.execute(text(f"SELECT * FROM progress WHERE topic = '{TOPIC}' FOR UPDATE")).all()
        slow.execute(
            text(
                f"INSERT INTO {TABLE} (id, hash_id, study_id, created_on, modified_on, event_time, event_id, "
                "kafka_partition, kafka_offset, loaded_on) "
                "VALUES (1, :hash_id, :study, NOW(), NOW(), NOW(), UNHEX(REPEAT('0', 32)), 0, 0, NOW())"
            ),
            {"hash_id": HASHER.hash_id("new study", PLANTED), "study": "new study"},
        )
        applier.apply(erased())
        with sweeping(database, hasher) as (thread, errors):
            wait_for(
                lambda: database.waiting_transactions() == 1, "the sweep to wait for the lock", 4, every_seconds=0.2
            )
            transaction.commit()
            thread.join(10)
        assert errors == []
    is_swept = all(row["swept_on"] for row in database.rows("erasure"))
    assert (ids(database), is_swept) == (([], True) if hasher else ([1], False))


def test_a_hash_by_a_key_that_was_thrown_away_is_nobodys(database: Database, applier: Applier) -> None:
    """Older keys are kept as long as there are hashes by them."""
    applier.apply(selected(1, **NAMES["by our older hash"]), selected(2, **NAMES["by our hash"]))
    applier.apply(erased())
    sweep(database, Hasher.parse(HASH_KEY))
    assert ids(database) == [1]
