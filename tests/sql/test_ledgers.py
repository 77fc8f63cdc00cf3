"""Ledgers of points, tokens and payments: exact to the last digit, and still whole when a person is erased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.declaration.persons import Person, PersonKind
from stream.declaration.types import YEAR_2000
from stream.mysql import erasure
from stream.operate.erase import receipt
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, cents, uuid_text
from tests.model.rules import moment
from tests.sql.applying import GROUP_ID, Applier, law, outcomes

GREATEST = 9_999_999_999
"""In hundredths, as DECIMAL(10, 2) has it."""

AMOUNTS = [0, 1, -1, 9, 10, -10, 99, 100, 101, 1_000_000_01, -1_000_000_01, 7_205_759_403, GREATEST, -GREATEST]

INSERTED, UPDATED, UNCHANGED = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)

Make = Callable[..., Datum]

LEDGERS: dict[str, tuple[str, Make, str, tuple[str, ...]]] = {
    "PointsTransacted": ("points_transaction", events.points, "transaction_id", ("points", "balance")),
    "TokensTransacted": ("token_transaction", events.tokens, "transaction_id", ("tokens", "balance")),
    "OrderPaid": ("bytemark_order_payments", events.order_paid, "payment_id", ("total_price",)),
    "OrderItemIssued": ("bytemark_order_items", events.item_issued, "item_id", ("price",)),
}
"""By record: table, how a datum is made, its key's field, and its amounts."""

EMPTIED = {"PointsTransacted": "note", "OrderPaid": "card"}


def erase(applier: Applier, user_id: int = 7) -> None:
    applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=user_id, event_id=uuid_text(900 + user_id))))


def sweep(database: Database) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons)


def without_origin(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("kafka_offset", "loaded_on")}


# --- Amounts


@pytest.mark.parametrize("record", LEDGERS)
def test_an_amount_arrives_to_the_last_digit(database: Database, applier: Applier, record: str) -> None:
    table, make, key, amounts = LEDGERS[record]
    data = [
        make(**{key: number, **dict.fromkeys(amounts, cents(amount))}, event_id=uuid_text(number))
        for number, amount in enumerate(AMOUNTS, 1)
    ]
    assert applier.apply(*((record, datum) for datum in data)).rejected == []
    for name in amounts:
        # As text, so that no driver can make up for what a server lost.
        stored = [row[0] for row in database.query(f"SELECT CAST({name} AS CHAR) FROM {table} ORDER BY id")]
        assert stored == [str(Decimal(amount).scaleb(-2)) for amount in AMOUNTS]
    assert_drained(database, applier.log, GROUP_ID)


@pytest.mark.parametrize("record", LEDGERS)
def test_an_amount_beyond_the_limits_is_no_row(database: Database, applier: Applier, record: str) -> None:
    table, make, _, amounts = LEDGERS[record]
    for number, name in enumerate(amounts * 2):
        amount = cents((GREATEST + 1) * (1 if number < len(amounts) else -1))
        ((_, rejection),) = applier.apply((record, make(**{name: amount}))).rejected
        assert (rejection.reason.value, rejection.field) == ("out_of_range", name)
    assert database.count(table) == 0
    assert_drained(database, applier.log, GROUP_ID)


@law
@given(amounts=st.lists(st.integers(-GREATEST, GREATEST), min_size=1, max_size=50))
@example(amounts=[GREATEST] * 50)
@example(amounts=[1, -1] * 25)
def test_the_sum_of_a_ledger_is_the_sum_of_its_amounts(database: Database, amounts: list[int]) -> None:
    database.empty()
    applier = Applier(database)
    applier.apply(
        *(
            ("PointsTransacted", events.points(transaction_id=number, points=cents(amount), balance=cents(-amount)))
            for number, amount in enumerate(amounts, 1)
        )
    )
    applier.close()
    (sums,) = database.query("SELECT SUM(points), SUM(balance) FROM points_transaction")
    assert tuple(sums) == (Decimal(sum(amounts)).scaleb(-2), Decimal(-sum(amounts)).scaleb(-2))
    assert_drained(database, applier.log, GROUP_ID)


def test_tokens_of_which_nothing_is_known_are_null_and_not_zero(database: Database, applier: Applier) -> None:
    unknown = dict.fromkeys(("enterprise_id", "activity_type", "tokens", "balance", "campaign_id", "expired_on"))
    applier.apply(("TokensTransacted", events.tokens(**unknown)))
    (row,) = database.rows("token_transaction")
    assert {name for name, value in row.items() if value is None} == set(unknown)
    assert_drained(database, applier.log, GROUP_ID)


def test_amounts_written_with_bytes_to_spare_are_the_same(database: Database, applier: Applier) -> None:
    """Avro's decimals may be padded; -1 is FF as well as FFFFFFFF."""
    padded = [b"\xff", b"\xff" * 4, b"\xff" * 40, b"\x01", b"\x00" * 40 + b"\x01", b"", b"\x00" * 9]
    applier.apply(
        *(
            ("PointsTransacted", events.points(transaction_id=number, points=amount))
            for number, amount in enumerate(padded, 1)
        )
    )
    stored = [str(row[0]) for row in database.query("SELECT points FROM points_transaction ORDER BY id")]
    assert stored == ["-0.01"] * 3 + ["0.01"] * 2 + ["0.00"] * 2
    assert_drained(database, applier.log, GROUP_ID)


# --- Moments and indexes


def test_tokens_are_issued_when_they_say_or_else_when_it_occurred(database: Database, applier: Applier) -> None:
    applier.apply(
        ("TokensTransacted", events.tokens(transaction_id=1, issued_on=None, occurred_at=NOON + 5)),
        ("TokensTransacted", events.tokens(transaction_id=2, issued_on=YEAR_2000, occurred_at=NOON + 5)),
    )
    moments = [
        (row["issued_on"], row["created_on"], row["modified_on"])
        for row in sorted(database.rows("token_transaction"), key=lambda row: row["id"])
    ]
    at = moment(NOON + 5)
    assert moments == [(at, at, at), (moment(YEAR_2000), moment(YEAR_2000), at)]
    assert_drained(database, applier.log, GROUP_ID)


def test_the_index_of_the_main_query_has_its_columns_and_serves_it(database: Database, applier: Applier) -> None:
    columns = database.query(
        "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "AND table_name = 'token_transaction' AND index_name = 'main_query_index_1' ORDER BY seq_in_index"
    )
    wanted = ["user_id", "activity_type", "f_agency_id", "f_token_id", "issued_on", "expired_on"]
    assert [row[0] for row in columns] == wanted
    applier.apply(
        *(
            (
                "TokensTransacted",
                events.tokens(transaction_id=number, user_id=1 + number // 3, activity_type=number % 5),
            )
            for number in range(1, 300)
        )
    )
    database.execute("ANALYZE TABLE token_transaction")
    plan = database.explain(
        "SELECT SUM(tokens) FROM token_transaction WHERE user_id = 7 AND activity_type = 3 AND f_agency_id = 4 "
        "AND f_token_id = 11 AND issued_on >= '2026-01-01'"
    )
    assert [line["key"] for line in plan] == ["main_query_index_1"]


# --- Versions


@pytest.mark.parametrize("record", LEDGERS)
def test_a_correction_replaces_a_transaction_and_a_late_one_does_not(
    database: Database, applier: Applier, record: str
) -> None:
    table, make, _, (amount, *_) = LEDGERS[record]
    first = make(**{amount: cents(-5)})
    correction = make(**{amount: cents(-7)}, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    assert outcomes(applier.apply((record, first)), table) == INSERTED
    assert outcomes(applier.apply((record, correction)), table) == UPDATED
    assert outcomes(applier.apply((record, first)), table) == UNCHANGED
    assert [row[amount] for row in database.rows(table)] == [Decimal("-0.07")]
    assert_drained(database, applier.log, GROUP_ID)


# --- Erasing


@pytest.mark.parametrize("record", EMPTIED)
@pytest.mark.parametrize("order", ["before", "after", "around"])
def test_an_erased_persons_transactions_stay_without_what_is_personal(
    database: Database, applier: Applier, record: str, order: str
) -> None:
    table, make, key, (amount, *_) = LEDGERS[record]
    if order in ("before", "around"):
        erase(applier)
    written = applier.apply((record, make()), (record, make(**{key: 2, "user_id": 8})))
    assert outcomes(written, table) == (2, 0, 0, 0), "a row that is kept is not suppressed"
    if order in ("after", "around"):
        erase(applier)
    sweep(database)
    erased, others = sorted(database.rows(table), key=lambda row: -row["id"])
    assert (erased["user_id"], erased[EMPTIED[record]]) == (7, None)
    assert erased[amount] == others[amount] != 0
    assert others[EMPTIED[record]] is not None
    assert_drained(database, applier.log, GROUP_ID)


@pytest.mark.parametrize("record", EMPTIED)
def test_a_newer_version_does_not_bring_back_what_was_emptied(
    database: Database, applier: Applier, record: str
) -> None:
    table, make, _, (amount, *_) = LEDGERS[record]
    applier.apply((record, make()))
    erase(applier)
    sweep(database)
    newer = make(**{amount: cents(1)}, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    assert outcomes(applier.apply((record, newer)), table) == UPDATED
    (row,) = database.rows(table)
    assert (row[amount], row[EMPTIED[record]]) == (Decimal("0.01"), None)
    assert_drained(database, applier.log, GROUP_ID)


@pytest.mark.parametrize("record", sorted(LEDGERS.keys() - EMPTIED.keys()))
def test_a_ledger_with_nothing_personal_is_left_as_it_is(database: Database, applier: Applier, record: str) -> None:
    table, make, key, _ = LEDGERS[record]
    applier.apply((record, make()))
    (before,) = database.rows(table)
    erase(applier)
    sweep(database)
    assert database.rows(table) == [before]
    assert table not in {row["table_name"] for row in database.rows("erasure_removal")}
    again = applier.apply((record, make(**{key: before["id"] + 1}, event_id=uuid_text(3))))
    assert outcomes(again, table) == INSERTED
    assert_drained(database, applier.log, GROUP_ID)


def test_balances_still_add_up_when_a_person_is_erased(database: Database, applier: Applier) -> None:
    balance = 0
    for number, amount in enumerate([500, -125, 1, -376, 99], 1):
        balance += amount
        version = {"event_id": uuid_text(number), "occurred_at": NOON + number * SECOND}
        transaction = events.points(transaction_id=number, points=cents(amount), balance=cents(balance), **version)
        applier.apply(("PointsTransacted", transaction))
    ledger = [without_origin({**row, "note": None}) for row in database.rows("points_transaction")]
    erase(applier)
    sweep(database)
    assert [without_origin(row) for row in database.rows("points_transaction")] == ledger
    assert database.value("SELECT SUM(points) FROM points_transaction WHERE user_id = 7") == Decimal("0.99")
    assert_drained(database, applier.log, GROUP_ID)


def test_a_receipt_tells_which_ledgers_keep_the_bare_id(database: Database, applier: Applier) -> None:
    for record, (_, make, key, _) in LEDGERS.items():
        applier.apply(*((record, make(**{key: number}, event_id=uuid_text(number))) for number in (1, 2)))
    applier.apply(("UserReferred", events.referred(sender_user_id=7, receiver_user_id=8)))
    erase(applier)
    sweep(database)
    with database.engine().connect() as connection:
        lines = receipt(connection, Person(PersonKind.APP, "7"), copies_kept_days=30)
        elsewhere = [line.what for line in lines if "referral_history" in line.what]
    kept = {line.what: line.rows for line in lines if "bare id" in line.what}
    assert kept == {f"remains: the bare id in {table}": 2 for table, *_ in LEDGERS.values()}
    assert elsewhere == ["removed from referral_history"], "a sender's id does not stay"
