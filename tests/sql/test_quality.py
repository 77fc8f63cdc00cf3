"""The checks of data quality find what a plain computation over the same rows finds, on both servers."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, text
from sqlalchemy.dialects import mysql
from structlog.testing import capture_logs

from stream.catalog import STREAMS
from stream.engine.jobs import inspect_quality
from stream.engine.metrics import Metrics
from stream.mysql import locks
from stream.quality import inspect as inspection
from stream.quality.checks import CHECKS, Check
from stream.quality.inspect import SAMPLE_ROWS, inspect
from tests.commands import run_command
from tests.databases import Database
from tests.rows import MOMENT, Row, insert

SECONDS_MAX = 30.0
HOUR = timedelta(hours=1)

Rows = Sequence[Row]
World = Mapping[str, Rows]

KNOWN, ERASED, UNKNOWN = range(1, 31), (31, 32), (33,)
"""App users: those of auth_user, those who were erased, and one of whom nothing was ever told."""


# --- The rows


def transactions(chance: Random, amount: str, moment: str, extra: Row) -> Iterator[Row]:
    """A ledger, in which the order of ids is not that of the moments, and with every fault now and then."""
    for user in (*KNOWN, *ERASED, *UNKNOWN):
        balance = Decimal(0)
        ids = [user * 100 + number for number in range(12)]
        chance.shuffle(ids)
        for number, id_ in enumerate(ids):
            # Of two transactions at one moment the one with the smaller id came first.
            value = Decimal(chance.randrange(-500, 500)) / 100 if user % 3 else Decimal(1)
            row = {"id": id_, "user_id": user, "activity_type": 1, amount: value, **extra}
            balance += value + (chance.random() < 0.02)
            told = balance + (chance.random() < 0.02)
            yield {**row, "balance": told, moment: MOMENT + number * HOUR if user % 4 else MOMENT}


def made() -> World:
    """Some hundred rows of each table."""
    chance = Random(7)
    points = [*transactions(chance, "points", "created_on", {"payer": 0, "payee": 0, "ref_transaction_id": 0})]
    points = [{**row, **refers_to(at, points[3]["id"])} for at, row in enumerate(points)]
    points += [{**row, "id": row["id"] + 50_000, "balance": row["balance"] + row["points"]} for row in points[:20:5]]
    tokens = [*transactions(chance, "tokens", "issued_on", {"f_agency_id": 0, "f_token_id": 0})]
    tokens = [{**row, **tokens_of(at, row)} for at, row in enumerate(tokens)]
    tokens += [{**row, "id": row["id"] + 50_000} for row in tokens[:30:3]]
    return {
        "auth_user": [account(user, chance) for user in KNOWN],
        "points_transaction": points,
        "token_transaction": tokens,
        "campaign": [
            {"id": 1, "ap_campaign_id": 0, "token_id": 0, "name": "enough", "tokens": Decimal(10_000)},
            {"id": 2, "ap_campaign_id": 11, "token_id": 0, "name": "too little", "tokens": Decimal(1)},
            {"id": 3, "ap_campaign_id": 12, "token_id": 0, "name": "exactly", "tokens": handed_out(tokens, 12)},
            {"id": 4, "ap_campaign_id": 13, "token_id": 0, "name": "nobody has any", "tokens": Decimal(0)},
        ],
        "referral_history": [
            {"id": 1, "sender_user_id": 1, "receiver_user_id": 2},
            {"id": 2, "sender_user_id": None, "receiver_user_id": 3},
            {"id": 3, "sender_user_id": UNKNOWN[0], "receiver_user_id": 4},
            {"id": 4, "sender_user_id": 1, "receiver_user_id": UNKNOWN[0]},
            {"id": 5, "sender_user_id": 5, "receiver_user_id": 5},
        ],
        "trip": [trip(id_, chance) for id_ in range(1, 200)],
        "user_rating": [{"id": id_, "user_id": id_, "trip_id": id_ * 7, "rating": 5} for id_ in range(1, 40)],
        "user_label": [{"id": id_, "name": "label"} for id_ in (1, 2)],
        "auth_user_label": [
            {"user_id": user, "label_id": label, "is_deleted": user % 2}
            for user in (*KNOWN, 33, 34)
            for label in (2, 3)
        ],
        "users": [{"clerk_id": "user_2aB", "first_name": "", "last_name": "", "role": "user", "status": "active"}],
        "user_data": [
            {"clerk_id": clerk_id, "key": key, "value": "{}"}
            for clerk_id in ("user_2aB", "user_2Ab", "user_gone")
            for key in ("preferences", "feature_flags")
        ],
        "bytemark_order_payments": [
            {"id": id_, "order_id": id_ % 30, "user_id": 1 + id_ % 33, "payment_type": "points", "total_price": 1}
            for id_ in range(1, 60)
        ],
        "bytemark_order_items": [
            {"id": id_, "order_id": id_ % 37, "user_id": 1 + id_ % 33, "product_name": "pass", "price": 1}
            for id_ in range(1, 60)
        ],
        "bytemark_pass": [
            {"bytemark_pass_id": id_, "user_id": user, "interaction": "activated", "logged_on": MOMENT}
            for id_, user in enumerate(("1", "30", "33", "rider-007", "4294967296", "99999999999999999999", "1x"), 1)
        ],
        "cm_activity_location": [
            {"id": id_, "user_id": id_ * 11, "o_id": 0, "d_id": 0, "travel_mode": "transit"} for id_ in range(1, 5)
        ],
        "message_history": [{"id": 1, "is_deleted": 0}],
        "telegram_user": [{"user_id": 2**62}],
        "message_recipients": [
            {"message_id": 1, "user_id": user, "delivery_status": "sent"} for user in (1, 2**62, 2**63 - 1)
        ],
        "user_sign_in": [
            {"clerk_id": clerk_id, "signed_in_on": MOMENT, "success": 1, "event_id": bytes([number] * 16)}
            for number, clerk_id in enumerate(("user_2aB", "user_2Ab", "user_2aB", "user_gone"))
        ],
        "hntb_target_user": [
            {"id": id_, "hash_id": f"{id_ % 17:064x}", "study_id": "bus", "created_on": MOMENT - (id_ % 5) * HOUR}
            for id_ in range(1, 40)
        ],
    }  # fmt: skip


def refers_to(at: int, there: int) -> Row:
    """Now and then another transaction, or one that is not there."""
    return {"ref_transaction_id": (there, 0, 1, 0)[at % 4]}


def tokens_of(at: int, row: Row) -> Row:
    """Some of no campaign, or of one that is not there; some without an amount, or without a balance."""
    return {
        "campaign_id": (None, 0, 11, 12, 99)[at % 5],
        "balance": None if at % 11 == 0 else row["balance"],
        "tokens": None if at % 13 == 0 else row["tokens"],
    }


def account(user: int, chance: Random) -> Row:
    latitude, longitude = place(chance)
    return {"id": user, "registration_latitude": latitude, "registration_longitude": longitude}


def trip(id_: int, chance: Random) -> Row:
    (a, b), (c, d) = place(chance), place(chance)
    places = {"origin_latitude": a, "origin_longitude": b, "destination_latitude": c, "destination_longitude": d}
    ended = (None, MOMENT + HOUR, MOMENT, MOMENT - HOUR)[id_ % 4]
    times = {"started_on": MOMENT, "ended_on": ended}
    return {"id": id_, "user_id": 1 + id_ % 33, "travel_mode": "transit", "distance": 1.0, **times, **places}


def place(chance: Random) -> tuple[float | None, float | None]:
    """Mostly one on Earth."""
    sound = [(None, None), (90.0, 180.0), (-90.0, -180.0), (0.0, 0.0), (29.76, -95.37)] * 5
    return chance.choice([*sound, (90.5, 0.0), (-91.0, 0.0), (0.0, 180.5), (0.0, -999.0), (None, 1.0), (1.0, None)])


def handed_out(tokens: Rows, campaign: int) -> Decimal:
    amounts = [row["tokens"] for row in tokens if row["campaign_id"] == campaign]
    return sum((amount for amount in amounts if amount and amount > 0), Decimal(0))


def fill(database: Database, world: World) -> None:
    with database.engine().begin() as connection:
        for name, rows in world.items():
            insert(connection, name, rows)
    database.erase(map(str, ERASED))
    database.erase([str(UNKNOWN[0])], kind="telegram")  # another person, under the same number


# --- The plain computation


def expected(world: World) -> dict[str, list[Any]]:
    """For each check the keys of the rows at fault."""
    points, tokens, trips = world["points_transaction"], world["token_transaction"], world["trip"]
    users = {row["id"] for row in world["auth_user"]}
    orders = {row["order_id"] for row in world["bytemark_order_payments"]}

    def strangers(table: str, known_erased: bool = True) -> list[Any]:
        spared = users | set(ERASED) if known_erased else users
        return [row["id"] for row in world[table] if row["user_id"] not in spared]

    def missing(rows: Rows, column: str, there: Iterable[Any], key: str = "id") -> list[Any]:
        known = {None, *there}
        return [row[key] for row in rows if row[column] not in known]

    return {
        **balances("points", points, "points", "created_on"),
        **balances("tokens", tokens, "tokens", "issued_on"),
        "over_distributed_campaigns": [
            row["id"] for row in world["campaign"] if handed_out(tokens, row["ap_campaign_id"]) > row["tokens"]
        ],
        "broken_referrals": [3, 4, 5],
        "points_without_user": strangers("points_transaction"),
        "tokens_without_user": strangers("token_transaction"),
        "payments_without_user": strangers("bytemark_order_payments"),
        "order_items_without_user": strangers("bytemark_order_items"),
        "trips_without_user": strangers("trip", known_erased=False),
        "points_without_reference": missing(points, "ref_transaction_id", {0, *(row["id"] for row in points)}),
        "tokens_without_campaign": missing(tokens, "campaign_id", [row["ap_campaign_id"] for row in world["campaign"]]),
        "order_items_without_payment": missing(world["bytemark_order_items"], "order_id", orders),
        "ratings_without_trip": missing(world["user_rating"], "trip_id", [row["id"] for row in trips]),
        "labels_without_definition": [
            row for row in world["auth_user_label"] if row["label_id"] == 3 and not row["is_deleted"]
        ],
        "account_data_without_account": [row for row in world["user_data"] if row["clerk_id"] != "user_2aB"],
        "user_coordinates": [row for row in world["auth_user"] if is_nowhere(row, "registration")],
        "trip_coordinates": [row["id"] for row in trips if is_nowhere(row, "origin") or is_nowhere(row, "destination")],
        "repeated_hashes": repeats(world["hntb_target_user"], ("hash_id",), ("created_on", "id")),
        "ratings_without_user": strangers("user_rating", known_erased=False),
        "ways_without_user": strangers("cm_activity_location", known_erased=False),
        "passes_without_user": [3, 4, 5, 6, 7],
        "labels_without_user": [row for row in world["auth_user_label"] if row["user_id"] == 34],
        "recipients_without_user": [row for row in world["message_recipients"] if row["user_id"] != 2**62],
        "sign_ins_without_account": [row for row in world["user_sign_in"] if row["clerk_id"] != "user_2aB"],
        "trip_times": [row["id"] for row in trips if row["ended_on"] and row["ended_on"] < row["started_on"]],
    }


def balances(what: str, rows: Rows, amount: str, moment: str) -> dict[str, list[Any]]:
    last, first = [], []
    for user in {row["user_id"] for row in rows}:
        total, told = Decimal(0), []
        for row in sorted((row for row in rows if row["user_id"] == user), key=lambda row: (row[moment], row["id"])):
            total += row[amount] or 0
            told += [] if row["balance"] is None else [(row["id"], row["balance"] != total)]
        last += [id_ for id_, is_wrong in told[-1:] if is_wrong]
        first += [id_ for id_, is_wrong in told if is_wrong][:1]
    same = repeats(rows, ("user_id", moment, amount, "activity_type"), ("id",))
    return {f"{what}_balance": last, f"{what}_balance_breaks": first, f"repeated_{what}": same}


def repeats(rows: Rows, same: Sequence[str], order: Sequence[str]) -> list[Any]:
    groups = defaultdict(list)
    for row in sorted(rows, key=lambda row: tuple(row[name] for name in order)):
        groups[tuple(row[name] for name in same)].append(row["id"])
    return [id_ for ids in groups.values() for id_ in ids[1:]]


def is_nowhere(row: Row, place: str) -> bool:
    latitude, longitude = row[f"{place}_latitude"], row[f"{place}_longitude"]
    if latitude is None or longitude is None:
        return latitude is not longitude
    return bool(abs(latitude) > 90 or abs(longitude) > 180)


# --- The tests


def faults(database: Database, seconds_max: float = SECONDS_MAX) -> dict[str, tuple[int | None, str]]:
    with database.engine().connect() as connection:
        findings = [inspect(connection, check, seconds_max) for check in CHECKS.values()]
    return {finding.check: (finding.faults, finding.sample) for finding in findings}


def test_each_check_finds_what_a_plain_computation_finds(database: Database) -> None:
    world = made()
    fill(database, world)
    counted, wanted = faults(database), expected(world)
    assert {counted.pop(name) for name in CHECKS if name.endswith("_dates")} == {(0, "")}
    assert {name: count for name, (count, _) in counted.items()} == {name: len(keys) for name, keys in wanted.items()}
    assert all(wanted.values()), "each fault is there"
    for name, keys in wanted.items():
        if isinstance(keys[0], int):
            assert counted[name][1] == ", ".join(map(str, sorted(keys)[:SAMPLE_ROWS])), name


def test_dates_that_no_event_can_have_are_found_in_every_column(database: Database) -> None:
    fill(database, made())
    tables = [check.table for check in CHECKS.values() if check.name.endswith("_dates")]
    assert {table.name for table in tables} == {table.name for stream in STREAMS.values() for table in stream.tables}
    columns = [
        (table, column.name)
        for table in tables
        for column in table.columns
        if isinstance(column.type, mysql.DATETIME) and column.name != "loaded_on" and database.count(table.name)
    ]
    planted = itertools.cycle(("1970-01-21 18:13:27", "9999-12-31 23:59:59.999999"))
    with database.engine().connect() as connection:
        for table, column in columns:
            plant = text(f"UPDATE {table.name} SET `{column}` = :moment ORDER BY kafka_offset LIMIT 1")
            connection.execute(plant, {"moment": next(planted)})
            assert inspect(connection, CHECKS[f"{table.name}_dates"], SECONDS_MAX).faults == 1, (table.name, column)
            connection.execute(plant, {"moment": MOMENT})


def test_a_row_whose_key_is_a_persons_id_is_named_by_its_event(database: Database) -> None:
    lost = {"registration_latitude": 91.0, "registration_longitude": 0.0, "kafka_partition": 3, "kafka_offset": 1045}
    fill(database, {"auth_user": [{"id": 987_654, **lost}]})
    assert faults(database)["user_coordinates"] == (1, "user.lifecycle/3/1045")


def test_nothing_is_wrong_where_nothing_is(database: Database) -> None:
    assert set(faults(database).values()) == {(0, "")}


def test_a_check_locks_nothing(database: Database) -> None:
    """While its transaction is open, others write every row that it read."""
    fill(database, made())
    with database.engine().connect() as reading, database.engine().begin() as writing:
        for check in CHECKS.values():
            inspect(reading, check, SECONDS_MAX)
        assert reading.in_transaction()
        writing.execute(text("SET SESSION innodb_lock_wait_timeout = 1"))
        for name in made():
            writing.execute(text(f"UPDATE `{name}` SET kafka_offset = kafka_offset + 1"))
            writing.execute(text(f"DELETE FROM `{name}`"))


def slow(check: Check) -> Check:
    """The same, and long at work."""
    return replace(check, faults=check.faults.where(func.benchmark(10**10, func.sha2("long", 512)) == 0))


def test_a_check_that_takes_too_long_is_given_up_and_says_so(database: Database) -> None:
    fill(database, {"trip": [trip(3, Random(1))]})
    check = CHECKS["trip_times"]
    with database.engine().connect() as connection:
        finding = inspect(connection, slow(check), 0.05)
        assert (finding.faults, finding.sample) == (None, "")
        assert inspect(connection, check, SECONDS_MAX).faults == 1, "and the connection serves on"


def refused(check: Check) -> Check:
    """The same, and beyond what the server can work out."""
    return replace(check, faults=check.faults.where(text("id + 18446744073709551615 > 0")))


# --- The inspector


def take_step(database: Database, metrics: Metrics, minutes: float = 60) -> None:
    with database.engine(for_lane=True).connect() as connection:
        inspect_quality(connection, metrics, timedelta(minutes=minutes))


def told(metrics: Metrics) -> dict[str, float]:
    (family,) = metrics.quality_faults.collect()
    return {sample.labels["check"]: sample.value for sample in family.samples}


def test_the_inspector_runs_each_check_in_turn_and_none_again_before_its_time(database: Database) -> None:
    fill(database, {"trip": [trip(3, Random(1))]})
    metrics = Metrics()
    for number in range(1, len(CHECKS) + 1):
        take_step(database, metrics)
        assert len(told(metrics)) == number
    assert (told(metrics)["trip_times"], told(metrics)["points_balance"]) == (1, 0)
    row = next(row for row in database.rows("data_quality") if row["check_name"] == "trip_times")
    assert (row["faults"], row["sample"], row["meaning"]) == (1, "3", CHECKS["trip_times"].meaning)

    database.execute("DELETE FROM trip")
    take_step(database, metrics)
    assert told(metrics)["trip_times"] == 1, "it is not due"
    database.execute(
        "UPDATE data_quality SET checked_on = checked_on - INTERVAL 2 HOUR WHERE check_name = 'trip_times'"
    )
    take_step(database, metrics)
    assert told(metrics)["trip_times"] == 0


def test_one_process_inspects_at_a_time_and_all_tell_what_it_found(database: Database) -> None:
    metrics = Metrics()
    with database.engine().connect() as other, locks.held(other, "quality") as is_ours:
        assert is_ours
        take_step(database, metrics)
        assert told(metrics) == {}
        inspection.remember(other, inspect(other, CHECKS["trip_times"], SECONDS_MAX))
        other.commit()
        take_step(database, metrics)
        assert told(metrics) == {"trip_times": 0}
    take_step(database, metrics)
    assert len(told(metrics)) == 2


def test_without_an_interval_nothing_is_inspected(database: Database) -> None:
    take_step(database, Metrics(), minutes=0)
    assert database.count("data_quality") == 0


def test_of_a_check_that_took_too_long_or_is_gone_nothing_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    monkeypatch.setattr(inspection, "CHECKS", {"trip_times": CHECKS["trip_times"]})
    take_step(database, metrics)
    assert told(metrics) == {"trip_times": 0}
    monkeypatch.setattr(inspection, "CHECKS", {"other": replace(slow(CHECKS["trip_times"]), name="other")})
    monkeypatch.setattr("stream.engine.jobs.CHECK_SECONDS_MAX", 0.05)
    fill(database, {"trip": [trip(3, Random(1))]})
    take_step(database, metrics)
    assert told(metrics) == {}
    assert [(row["check_name"], row["faults"]) for row in database.rows("data_quality")] == [("other", None)]


def test_a_check_that_the_server_refuses_says_so_and_the_inspector_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, {"trip": [trip(3, Random(1))]})
    metrics = Metrics()
    monkeypatch.setattr(inspection, "CHECKS", {"trip_times": refused(CHECKS["trip_times"])})
    with capture_logs() as lines:
        take_step(database, metrics)
    (line,) = [line for line in lines if line["event"] == "check refused"]
    assert (line["check"], line["errno"]) == ("trip_times", 1690)
    assert told(metrics) == {}
    assert [(row["check_name"], row["faults"]) for row in database.rows("data_quality")] == [("trip_times", None)]
    monkeypatch.setattr(inspection, "CHECKS", CHECKS)
    take_step(database, metrics)
    assert len(told(metrics)) == 1, "another check"


# --- The command


def test_the_command_tells_by_its_exit_code_whether_anything_is_wrong(database: Database) -> None:
    settings = {"STREAM_DATABASE_URL": database.url}
    sound = run_command(settings, "quality", "--format", "json")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert [finding["check"] for finding in json.loads(sound.stdout)] == list(CHECKS)

    fill(database, {"trip": [trip(3, Random(1))]})
    wrong = run_command(settings, "quality", "--check", "trip_times", "--check", "repeated_hashes", "--format", "json")
    assert wrong.returncode == 1
    assert [(finding["check"], finding["faults"], finding["sample"]) for finding in json.loads(wrong.stdout)] == [
        ("trip_times", 1, "3"),
        ("repeated_hashes", 0, ""),
    ]


def test_a_check_that_is_not_there_is_wrong_usage() -> None:
    done = run_command({}, "quality", "--check", "nonsense")
    assert done.returncode == 2
    assert "points_balance" in done.stderr
