"""New rows are loaded: the same rows as those that are upserted, and never a bent or a lost one. On both servers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.protocol import MysqlPacket
from sqlalchemy import Table

from stream.errors import DatabaseUnavailable
from stream.mysql import send
from stream.mysql.connection import BoundedConnection
from stream.mysql.look import look
from stream.stages.compact import compact
from stream.stages.values import keys_of
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, label_defined, rating, uuid_text
from tests.sql.applying import GROUP_ID, Applier, come_between, law, outcomes, upserts_sent

MANY = send.LOADED_ROWS_MIN
FILE_REQUEST = b"\xfb/etc/passwd"
"""A server's request for a file, as it stands in the protocol."""


def ratings(count: int = MANY, **values: Any) -> list[tuple[str, Datum]]:
    numbers = range(1, count + 1)
    return [("TripRated", rating(rating_id=number, event_id=uuid_text(number), **values)) for number in numbers]


def driver_of(applier: Applier) -> BoundedConnection:
    applier.writer.ping()
    assert applier.writer._connection is not None
    driver = applier.writer._connection.connection.driver_connection
    assert isinstance(driver, BoundedConnection)
    return driver


def test_new_rows_are_loaded_and_others_upserted_or_passed_over(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = upserts_sent(monkeypatch)
    assert outcomes(applier.apply(*ratings()), "user_rating") == (MANY, 0, 0, 0)
    assert sent == []
    newer = {"occurred_at": NOON + SECOND, "event_id": uuid_text(2 * MANY + 1)}
    older = {"occurred_at": NOON - SECOND, "event_id": uuid_text(2 * MANY + 2)}
    log = [
        *ratings(2 * MANY)[3:],
        ("TripRated", rating(rating_id=1, rating=2, **newer)),
        ("TripRated", rating(rating_id=2, rating=2, **older)),
    ]
    assert outcomes(applier.apply(*log), "user_rating") == (MANY, 1, MANY - 2, 0)
    assert sent == [1], "the newer version alone"
    assert_drained(database, applier.log, GROUP_ID)


def test_a_small_slice_is_upserted(applier: Applier, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = upserts_sent(monkeypatch)
    applier.apply(*ratings(MANY - 1))
    assert sent == [MANY - 1]


@law
@given(
    texts=st.lists(
        st.none() | st.text(max_size=30) | st.text(st.sampled_from('",\\[]\nrntNulZ0\r\t\x08\x1a '), max_size=12),
        min_size=1,
        max_size=40,
    )
)
def test_any_text_is_loaded_as_it_is_or_not_at_all(database: Database, texts: list[str | None]) -> None:
    database.empty()
    applier = Applier(database)
    data = ratings(len(texts) + MANY)
    for (_, datum), text in zip(data, texts, strict=False):
        datum["feedback"] = text
    applier.apply(*data)
    stored = database.query("SELECT feedback FROM user_rating ORDER BY id")
    assert [row[0] for row in stored][: len(texts)] == texts
    applier.close()


@pytest.mark.parametrize(
    ("text", "is_loaded"),
    [('"],\n[', True), ("NULL", True), ("null", True), ("\\N", True), (",null", False), ("\f", False), ("\x01", False)],
)
def test_texts_that_would_be_read_otherwise_are_upserted(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch, text: str, is_loaded: bool
) -> None:
    sent = upserts_sent(monkeypatch)
    data = ratings(feedback=None)
    data[5][1]["feedback"] = text
    applier.apply(*data)
    assert sent == ([] if is_loaded else [MANY])
    assert [row["feedback"] for row in database.rows("user_rating") if row["feedback"] is not None] == [text]


def test_a_row_that_comes_between_is_not_overwritten(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no business time, so nobody has to know where it lay."""
    newer = ("LabelDefined", label_defined(label_id=7, name="newer", occurred_at=NOON + SECOND))
    data = [
        ("LabelDefined", label_defined(label_id=number, name="older", event_id=uuid_text(number)))
        for number in range(1, MANY + 1)
    ]
    come_between(monkeypatch, database, newer)
    sent = upserts_sent(monkeypatch)
    assert outcomes(applier.apply(*data), "user_label") == (MANY - 1, 0, 1, 0)
    assert sent == [1, MANY]
    assert [row["name"] for row in database.rows("user_label") if row["id"] == 7] == ["newer"]


def test_a_server_that_takes_no_lines_is_sent_none(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver_of(applier).takes_lines = False
    sent = upserts_sent(monkeypatch)
    applier.apply(*ratings())
    assert sent == [MANY]


def test_a_server_that_refuses_to_load_is_not_asked_again(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy knows nothing of the server's setting, and answers with an error of its own."""
    asked: list[Table] = []

    def refused(table: Table) -> bytes:
        asked.append(table)
        return b"LOAD DATA LOCAL INFILE '' INTO TABLE nowhere"

    monkeypatch.setattr(send, "load_statement", refused)
    applier.apply(*ratings())
    applier.apply(*ratings(2 * MANY)[MANY:])
    assert len(asked) == 1
    assert_drained(database, applier.log, GROUP_ID)


def test_a_server_that_asks_for_a_file_gets_none(applier: Applier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any server may answer any statement so, and the driver would send what it names."""
    driver = driver_of(applier)
    written: list[bytes] = []
    asked: list[MysqlPacket] = []

    def read() -> MysqlPacket:
        asked.append(MysqlPacket(FILE_REQUEST, "utf8mb4"))
        return asked[-1]

    monkeypatch.setattr(driver, "write_packet", written.append)
    monkeypatch.setattr(driver, "_read_packet", read)
    with pytest.raises(DatabaseUnavailable):
        applier.writer.ping()
    assert written == []
    assert len(asked) == 1, "the connection is left at once"
    assert not driver.open


def test_a_connection_that_is_lost_while_lines_are_sent_is_no_refusal(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is gone: to upsert in the next one would be to forget its other half."""
    driver = driver_of(applier)
    load_lines, number = driver.load, driver.thread_id()  # type: ignore[no-untyped-call]

    def killed(statement: bytes, lines: bytes) -> Any:
        database.execute(f"KILL {number}")
        return load_lines(statement, lines)

    monkeypatch.setattr(driver, "load", killed)
    slice_ = applier.slice("trip", [events.record(*each) for each in ratings()])
    with pytest.raises(DatabaseUnavailable, match="connection_lost"):
        applier.write(slice_)
    assert database.count("user_rating") == 0
    applier.write(slice_)
    assert_drained(database, applier.log, GROUP_ID)


def test_savepoints_have_the_same_names_in_each_transaction(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps statistics for each form of statement, and has room for some thousand forms."""
    sent: list[bytes] = []
    query = BoundedConnection.query

    def noted(connection: BoundedConnection, sql: str | bytes, unbuffered: bool = False) -> int:
        sent.append(sql.encode() if isinstance(sql, str) else sql)
        return query(connection, sql, unbuffered)

    monkeypatch.setattr(BoundedConnection, "query", noted)
    for start in (0, MANY, 2 * MANY):
        applier.apply(*ratings(start + MANY)[start:])
    assert Counter(each for each in sent if b"SAVEPOINT" in each) == {
        b"SAVEPOINT before_rows": 3,
        b"SAVEPOINT before_load": 3,
    }


def test_a_look_locks_what_it_tells_of(database: Database, applier: Applier) -> None:
    applier.apply(*ratings(3))
    slice_ = applier.slice("trip", [events.record(*each) for each in ratings(2)])
    (table,) = compact(slice_.accepted, 0).tables
    with database.engine(for_lane=True).connect() as connection, connection.begin():
        assert sorted(look(connection, table.feed.table, keys_of(table.feed.table, table.rows))) == [0, 1]
        with database.engine().connect() as other, other.begin():
            free = other.exec_driver_sql("SELECT id FROM user_rating FOR UPDATE SKIP LOCKED").scalars().all()
    assert free == [3]
