"""Campaigns have a second unique key: who claims another's ap_campaign_id becomes a dead letter and overwrites nothing.

Here alone the order of arrival decides: the model knows the rows, the tests say which records are in conflict.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import text

from stream.mysql.rows import WrittenSlice
from tests import events, model
from tests.balance import (
    assert_dead_letters,
    assert_drained,
    assert_origins,
    assert_record_ledger,
    assert_row_ledger,
    assert_tables,
)
from tests.databases import Database
from tests.events import Datum
from tests.events import campaign_saved as saved
from tests.model import expect
from tests.model.declaration import Fault
from tests.sql.applying import GROUP_ID, Applier, outcomes, upserts_sent
from tests.waiting import wait_for

TOPIC = "rewards.campaign"
INSERTED, UPDATED, UNCHANGED = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)


def held(database: Database) -> dict[int, int]:
    """The ap_campaign_id of each campaign."""
    return {row["id"]: row["ap_campaign_id"] for row in database.rows("campaign")}


def refused(written: WrittenSlice) -> list[tuple[int, str]]:
    return [(record.offset, rejection.reason.value) for record, rejection in sorted(written.rejected)]


def assert_conflicts(database: Database, applier: Applier, *numbers: int) -> None:
    """These records of the log are in conflict; all others made their rows, and both ledgers balance."""
    log = applier.log
    expected = expect([record for number, record in enumerate(log) if number not in numbers])
    expected.dead_letters.update({log[number].coordinates: frozenset({Fault("conflict")}) for number in numbers})
    hiding = {number for number in numbers if model.TOPICS[log[number].topic].hides_values}
    expected.hidden_letters |= {log[number].coordinates for number in hiding}
    stored = database.snapshot()
    assert_tables(stored, expected)
    assert_origins(stored, expected)
    assert_dead_letters(stored, log, expected)
    assert_record_ledger(stored, log, expected, GROUP_ID)
    assert_row_ledger(database, GROUP_ID)


def test_a_new_campaign_that_claims_a_taken_id_is_a_dead_letter(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, 10, name="first"))
    before = database.rows("campaign")
    written = applier.apply(saved(2, 10, at=9, name="second"))
    assert refused(written) == [(1, "conflict")]
    assert (written.records.consumed, written.records.written, written.records.dead_lettered) == (1, 0, 1)
    assert database.rows("campaign") == before
    assert_conflicts(database, applier, 1)


def test_a_campaign_that_changes_to_a_taken_id_is_a_dead_letter_and_stays_as_it_was(
    database: Database, applier: Applier
) -> None:
    applier.apply(saved(1, 10), saved(2, 20))
    before = database.rows("campaign")
    assert refused(applier.apply(saved(2, 10, at=9, name="greedy"))) == [(2, "conflict")]
    assert database.rows("campaign") == before
    assert_conflicts(database, applier, 2)


def test_a_campaign_may_change_to_an_id_that_is_free(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, 10))
    assert outcomes(applier.apply(saved(1, 11, at=1)), "campaign") == UPDATED
    assert outcomes(applier.apply(saved(2, 10, at=2)), "campaign") == INSERTED
    assert held(database) == {1: 11, 2: 10}
    assert_drained(database, applier.log, GROUP_ID)


def test_two_new_campaigns_of_one_batch_can_not_have_the_same_id(database: Database, applier: Applier) -> None:
    written = applier.apply(saved(3, 30), saved(1, 10), saved(2, 10, at=9), saved(4, 40))
    assert refused(written) == [(2, "conflict")]
    assert held(database) == {1: 10, 3: 30, 4: 40}
    assert_conflicts(database, applier, 2)


def test_conflicts_among_many_campaigns_are_all_found(database: Database, applier: Applier) -> None:
    applier.apply(*(saved(number, number) for number in range(1, 41)))
    taken = [saved(100 + number, number, at=1) for number in (3, 17, 40)]
    fresh = [saved(200 + number, 200 + number) for number in range(30)]
    newer = [saved(number, number, at=1, name="newer") for number in (3, 5)]
    written = applier.apply(*taken, *fresh, *newer)
    assert refused(written) == [(offset, "conflict") for offset in (40, 41, 42)]
    assert outcomes(written, "campaign") == (30, 2, 0, 0)
    assert_conflicts(database, applier, 40, 41, 42)


def test_a_stale_event_that_once_had_a_taken_id_changes_nothing_and_conflicts_with_nobody(
    database: Database, applier: Applier
) -> None:
    applier.apply(saved(1, 11, at=5))
    applier.apply(saved(2, 10, at=6))
    before = database.rows("campaign")
    assert outcomes(applier.apply(saved(1, 10, at=0)), "campaign") == UNCHANGED
    assert database.rows("campaign") == before
    assert_drained(database, applier.log, GROUP_ID)


def test_a_duplicate_conflicts_with_nobody(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, 10))
    assert outcomes(applier.apply(saved(1, 10)), "campaign") == UNCHANGED
    assert_drained(database, applier.log, GROUP_ID)


def test_what_a_conflicting_event_had_superseded_takes_its_place(database: Database, applier: Applier) -> None:
    """In its batch the newer event hid the older one, which is sound."""
    applier.apply(saved(1, 10), saved(2, 20))
    written = applier.apply(saved(2, 20, at=1, name="sound"), saved(2, 10, at=2, name="greedy"))
    assert refused(written) == [(3, "conflict")]
    assert [row["name"] for row in database.rows("campaign") if row["id"] == 2] == ["sound"]
    assert_conflicts(database, applier, 3)


@pytest.mark.parametrize("is_one_batch", [True, False], ids=["in one batch", "one by one"])
def test_a_swap_is_two_conflicts(database: Database, applier: Applier, is_one_batch: bool) -> None:
    """Each claims what the other still has. Who means it takes a third id in between."""
    applier.apply(saved(1, 10), saved(2, 20))
    before = database.rows("campaign")
    swap = [saved(1, 20, at=1), saved(2, 10, at=1)]
    for batch in [swap] if is_one_batch else [[event] for event in swap]:
        applier.apply(*batch)
    assert database.rows("campaign") == before
    assert_conflicts(database, applier, 2, 3)


def test_an_id_that_is_given_up_can_be_taken_in_the_same_batch(database: Database, applier: Applier) -> None:
    applier.apply(saved(2, 10))
    assert outcomes(applier.apply(saved(1, 10, at=2), saved(2, 30, at=1)), "campaign") == (1, 1, 0, 0)
    assert held(database) == {1: 10, 2: 30}
    assert_drained(database, applier.log, GROUP_ID)


def test_of_two_claims_in_one_batch_the_earlier_is_heard(database: Database, applier: Applier) -> None:
    assert refused(applier.apply(saved(1, 10, at=2), saved(2, 10, at=1))) == [(0, "conflict")]
    assert held(database) == {2: 10}
    assert_conflicts(database, applier, 0)


def test_a_swap_by_way_of_a_third_id_is_none(database: Database, applier: Applier) -> None:
    for step in (saved(1, 10), saved(2, 20), saved(1, 30, at=1), saved(2, 10, at=2), saved(1, 20, at=3)):
        applier.apply(step)
    assert held(database) == {1: 20, 2: 10}
    assert_drained(database, applier.log, GROUP_ID)


def test_a_conflicting_record_that_is_read_again_stays_one_dead_letter(database: Database, applier: Applier) -> None:
    log = [saved(1, 10), saved(2, 10, at=9), saved(3, 30)]
    applier.apply(*log)
    before = database.rows("campaign")
    again = Applier(database, group_id="again")
    written = again.apply(*log)
    again.close()
    assert refused(written) == [(1, "conflict")]
    assert outcomes(written, "campaign") == (0, 0, 2, 0)
    assert database.rows("campaign") == before
    (letter,) = database.rows("dead_letter")
    assert (letter["kafka_offset"], letter["reason"], letter["attempts"]) == (1, "conflict", 2)


def test_a_conflicting_record_finds_its_place_once_the_id_is_free(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, 10), saved(2, 10, at=1))
    applier.apply(saved(1, 11, at=2))
    assert outcomes(applier.apply(saved(2, 10, at=1)), "campaign") == INSERTED
    assert held(database) == {1: 11, 2: 10}


def test_a_log_of_changed_ids_can_be_read_again_without_a_conflict(database: Database, applier: Applier) -> None:
    """By the time of the second reading the id that an older event has is another's."""
    log = [saved(1, 10), saved(1, 11, at=1), saved(2, 10, at=2), saved(2, 12, at=3), saved(3, 10, at=4)]
    for step in log:
        applier.apply(step)
    before = database.rows("campaign")
    again = Applier(database, group_id="again")
    for step in log:
        assert outcomes(again.apply(step), "campaign") == UNCHANGED
    again.close()
    assert database.rows("campaign") == before
    assert database.rows("dead_letter") == []


VERSIONS = 300


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "in the same batch"])
@pytest.mark.parametrize("claims", [lambda _: 10, lambda at: 10 + at % 7], ids=["one id", "several ids"])
def test_conflicting_versions_of_one_campaign_are_found_together(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch, claims: Any, is_stored: bool
) -> None:
    """As many rounds as versions would hold up the lane for minutes."""
    others = [saved(ap_campaign_id, ap_campaign_id, at=-100) for ap_campaign_id in range(10, 17)]
    versions = [saved(1, claims(at), at=at) for at in range(VERSIONS)]
    sound = [saved(1, 99, at=100, name="sound"), saved(1, 98, at=50, name="superseded")]
    if is_stored:
        applier.apply(*others)
    batch = [*versions[:50], *versions[51:100], *versions[101:], *sound]
    sent = upserts_sent(monkeypatch)
    written = applier.apply(*batch) if is_stored else applier.apply(*others, *batch)
    assert len(written.rejected) == VERSIONS - 101, "those that are newer than the sound one"
    assert held(database) == {1: 99, **{number: number for number in range(10, 17)}}
    assert [row["name"] for row in database.rows("campaign") if row["id"] == 1] == ["sound"]
    assert len(sent) <= 2 * math.log2(VERSIONS)
    numbers = {record.offset for record, _ in written.rejected}
    assert_conflicts(database, applier, *numbers)


# --- Writers of two groups at once


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_claim_waits_for_another_writers_claim_to_be_decided(
    database: Database, applier: Applier, ending: str
) -> None:
    applier.claim(TOPIC)
    with database.engine(for_lane=True).connect() as other:
        other.execute(
            text(
                "INSERT INTO campaign (id, ap_campaign_id, token_id, name, tokens, created_on, modified_on, "
                "event_time, event_id, kafka_partition, kafka_offset, loaded_on) "
                "VALUES (1, 10, 0, 'first', 0, NOW(), NOW(), NOW(), UNHEX(REPEAT('0', 32)), 0, 0, NOW())"
            )
        )
        written_later: list[WrittenSlice] = []
        thread = threading.Thread(target=lambda: written_later.append(applier.apply(saved(2, 10))), daemon=True)
        thread.start()
        wait_for(
            lambda: database.waiting_transactions() == 1, "the second claim to wait for the first", 4, every_seconds=0.2
        )
        other.exec_driver_sql(ending)
        thread.join(10)
    (written,) = written_later
    if ending == "COMMIT":
        assert refused(written) == [(0, "conflict")]
        assert held(database) == {1: 10}
    else:
        assert outcomes(written, "campaign") == INSERTED
        assert held(database) == {2: 10}


def test_of_two_groups_that_claim_the_same_ids_at_once_one_gets_each(database: Database) -> None:
    claims = {"a": range(1, 31), "b": range(101, 131)}
    written: dict[str, list[WrittenSlice]] = {}
    # Each group in partitions of its own, so that dead letters tell them apart.
    appliers = {group: Applier(database, group_id=group) for group in claims}
    pieces = {
        group: [
            _slice(appliers[group], partition, [saved(number, number % 100) for number in chunk])
            for chunk in _chunks(numbers if group == "a" else reversed(numbers), 6)
        ]
        for partition, (group, numbers) in enumerate(claims.items())
    }

    def run(group: str) -> None:
        written[group] = [written_slice for piece in pieces[group] for written_slice in appliers[group].persist(piece)]

    threads = [threading.Thread(target=run, args=(group,)) for group in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    there = held(database)
    assert sorted(there.values()) == list(range(1, 31))
    for group, numbers in claims.items():
        dead_lettered = sum(written_slice.records.dead_lettered for written_slice in written[group])
        assert dead_lettered == sum(number not in there for number in numbers)
        assert {reason for written_slice in written[group] for _, reason in refused(written_slice)} <= {"conflict"}
        appliers[group].close()


def _slice(applier: Applier, partition: int, data: Iterable[tuple[str, Datum]]) -> Any:
    return applier.slice(TOPIC, [events.record(name, datum) for name, datum in data], partition)


def _chunks(numbers: Iterable[int], size: int) -> list[list[int]]:
    listed = list(numbers)
    return [listed[start : start + size] for start in range(0, len(listed), size)]
