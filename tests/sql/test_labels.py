"""Labels and who has them: a label that is taken away leaves a marker, by which versions decide and not arrival."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, label_defined, labelled, record, tombstone, uuid_text
from tests.model.rules import moment
from tests.sql.applying import GROUP_ID, Applier, law, outcomes

SUPPRESSED, UNCHANGED = (0, 0, 0, 1), (0, 0, 1, 0)


def at(number: int) -> Datum:
    return {"event_id": uuid_text(number), "occurred_at": NOON + number * SECOND}


def given_label(number: int, **changes: object) -> tuple[str, Datum]:
    return "UserLabelled", labelled(**at(number), **changes)


def taken_label(number: int, **changes: object) -> tuple[str, Datum]:
    return "UserUnlabelled", labelled(**at(number), **changes)


def belongings(database: Database) -> dict[tuple[int, int], int]:
    return {(row["user_id"], row["label_id"]): row["is_deleted"] for row in database.rows("auth_user_label")}


def test_a_label_taken_away_leaves_a_marker_with_the_moment(database: Database, applier: Applier) -> None:
    applier.apply(given_label(1))
    applier.apply(taken_label(2))
    (row,) = database.rows("auth_user_label")
    assert (row["is_deleted"], row["modified_on"]) == (1, moment(NOON + 2 * SECOND))
    assert_drained(database, applier.log, GROUP_ID)


def test_an_older_event_does_not_bring_a_label_back_and_a_newer_one_does(database: Database, applier: Applier) -> None:
    applier.apply(taken_label(5))
    assert outcomes(applier.apply(given_label(4)), "auth_user_label") == UNCHANGED
    assert belongings(database) == {(7, 71): 1}
    applier.apply(given_label(6))
    assert belongings(database) == {(7, 71): 0}
    assert outcomes(applier.apply(taken_label(5)), "auth_user_label") == UNCHANGED, "a replay"
    assert belongings(database) == {(7, 71): 0}
    assert_drained(database, applier.log, GROUP_ID)


@pytest.mark.parametrize("is_one_transaction", [True, False])
def test_in_any_order_the_newest_event_decides(database: Database, is_one_transaction: bool) -> None:
    story = [given_label(1), taken_label(2), given_label(3), taken_label(4)]
    for length in (3, 4):
        for order in permutations(story[:length]):
            database.empty()
            applier = Applier(database)
            for batch in [order] if is_one_transaction else [[event] for event in order]:
                applier.apply(*batch)
            applier.close()
            assert belongings(database) == {(7, 71): int(length == 4)}, order


def test_at_equal_times_the_greater_id_decides(database: Database, applier: Applier) -> None:
    same = {"occurred_at": NOON}
    applier.apply(("UserUnlabelled", labelled(event_id=uuid_text(9), **same)))
    applier.apply(("UserLabelled", labelled(event_id=uuid_text(8), **same)))
    assert belongings(database) == {(7, 71): 1}
    assert_drained(database, applier.log, GROUP_ID)


def test_a_label_taken_from_one_stays_with_others(database: Database, applier: Applier) -> None:
    everybody = [(user, label) for user in (7, 8) for label in (71, 72)]
    applier.apply(*(given_label(1, user_id=user, label_id=label) for user, label in everybody))
    applier.apply(taken_label(2, user_id=7, label_id=72))
    assert belongings(database) == {(7, 71): 0, (7, 72): 1, (8, 71): 0, (8, 72): 0}
    assert_drained(database, applier.log, GROUP_ID)


def test_erasing_a_user_removes_their_labels_and_markers_but_no_label(database: Database, applier: Applier) -> None:
    """Even where the label has the same number as the user."""
    database.erase(["7"])
    applier.apply(("LabelDefined", label_defined(label_id=7)))
    written = applier.apply(given_label(1), given_label(1, user_id=8))
    assert outcomes(written, "auth_user_label") == (1, 0, 0, 1)
    assert outcomes(applier.apply(taken_label(2)), "auth_user_label") == SUPPRESSED
    assert belongings(database) == {(8, 71): 0}
    assert database.count("user_label") == 1
    assert_drained(database, applier.log, GROUP_ID, erased=["7"])


def test_a_definition_is_kept_up_to_date_by_its_versions(database: Database, applier: Applier) -> None:
    applier.apply(("LabelDefined", label_defined(name="Night owls 🦉", description="o'clock", **at(2))))
    applier.apply(("LabelDefined", label_defined(name="draft", **at(1))))
    (row,) = database.rows("user_label")
    assert (row["name"], row["description"]) == ("Night owls 🦉", "o'clock")
    applier.apply(("LabelDefined", label_defined(name="", **at(3))))
    (row,) = database.rows("user_label")
    assert (row["name"], row["description"]) == ("", None)
    assert_drained(database, applier.log, GROUP_ID)


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, Datum]]:
    """Events about two users and two labels, several at one moment, some of them twice."""
    numbers = draw(st.permutations(range(1, draw(st.integers(2, 16)))))
    log = [
        (
            draw(st.sampled_from(["UserLabelled", "UserUnlabelled"])),
            labelled(
                event_id=uuid_text(number),
                occurred_at=NOON + draw(st.integers(0, 2)) * SECOND,
                user_id=draw(st.integers(7, 8)),
                label_id=draw(st.integers(71, 72)),
            ),
        )
        for number in numbers
    ]
    return log + draw(st.lists(st.sampled_from(log), max_size=4))


@law
@given(log=logs(), erased=st.booleans(), chance=st.randoms(use_true_random=False))
def test_any_order_in_any_batches_gives_the_labels_of_the_model(
    database: Database, log: list[tuple[str, Datum]], erased: bool, chance: Random
) -> None:
    database.empty()
    if erased:
        database.erase(["8"])
    applier = Applier(database)
    while log:
        size = chance.randint(1, 6)
        batch, log = log[:size], log[size:]
        applier.apply(*batch, partition=chance.randrange(2))
    applier.close()
    assert_drained(database, applier.log, GROUP_ID, erased=["8"] if erased else [])


# --- Dead letters, whose keys name users and labels alike


def test_a_dead_letter_under_a_labels_id_goes_with_the_user_of_that_number(
    database: Database, applier: Applier
) -> None:
    """A broken value doesn't tell whom its key means: better a definition's letter too few than a user's too many."""
    broken = [record("LabelDefined", label_defined(label_id=number))._replace(value=b"x") for number in (7, 8)]
    applier.write(applier.slice("user.lifecycle", [tombstone("app:7")]))
    applier.write(applier.slice("user.label", broken))
    letters = {row["kafka_offset"]: (row["status"], row["record_key"]) for row in database.rows("dead_letter")}
    assert letters == {0: ("erased", None), 1: ("waiting", b"8")}
    assert_drained(database, applier.log, GROUP_ID)
