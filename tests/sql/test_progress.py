"""Progress: claims, the fence, and what a transaction leaves behind when it fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pymysql
import pytest
from sqlalchemy import event

from stream import moments
from stream.counts import RecordCounts
from stream.errors import DatabaseUnavailable, Fenced, Reason, Rejection, Stage, TransactionConflict, TransientError
from stream.mysql import dead_letters, progress, write
from stream.records import Claim, TopicPartition
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import RECORDED_MS, rating, trip, uuid_text
from tests.model.rules import moment
from tests.sql.applying import GROUP_ID, TOPIC_ID, Applier

TRIP_0 = TopicPartition("trip", 0)


def some_trips(count: int = 3) -> list[Any]:
    return [events.record("TripRecorded", trip(trip_id=number)) for number in range(1, count + 1)]


def test_a_partition_that_was_never_applied_begins_where_the_log_does(database: Database, applier: Applier) -> None:
    claim = Claim(TRIP_0, TOPIC_ID, next_offset=42)
    applier.writer.claim(claim)
    assert (claim.epoch, claim.next_offset, claim.topic_id) == (1, 42, TOPIC_ID)


def test_a_claim_raises_the_epoch_and_goes_on_where_the_last_owner_stopped(
    database: Database, applier: Applier
) -> None:
    applier.write(applier.slice("trip", some_trips()))
    heir = Applier(database, "heir").writer
    claim = Claim(TRIP_0, "BBBBBBBBBBBBBBBBBBBBBB")
    heir.claim(claim)
    assert (claim.epoch, claim.next_offset) == (2, 3)
    assert claim.topic_id == TOPIC_ID, "the stored one tells that the topic is another now"
    assert [row["owner"] for row in database.rows("progress")] == ["heir"]
    heir.close()


def test_an_owner_that_was_succeeded_writes_nothing(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier.write(applier.slice("trip", some_trips()))
    zombies = applier.slice("trip", [events.record("TripRecorded", trip(trip_id=9)), _broken()])
    heir = Applier(database, "heir").writer
    heir.claim(Claim(TRIP_0, TOPIC_ID))
    before = _everything(database)
    monkeypatch.setattr(write, "write_rows", _must_not_be_called)  # it finds out before it does any work
    with pytest.raises(Fenced) as fenced:
        applier.write(zombies)
    assert fenced.value.partitions == (TRIP_0,)
    assert _everything(database) == before
    heir.close()


def test_claims_are_stale_where_epoch_or_offset_or_the_row_itself_changed(database: Database, applier: Applier) -> None:
    claims = [Claim(TopicPartition("trip", number), TOPIC_ID, next_offset=5) for number in range(4)]
    for claim in claims:
        applier.writer.claim(claim)
    database.execute("UPDATE progress SET owner_epoch = 9 WHERE kafka_partition = 1")
    database.execute("UPDATE progress SET next_offset = 4 WHERE kafka_partition = 2")
    database.execute("DELETE FROM progress WHERE kafka_partition = 3")
    assert applier.writer.review(claims, [], 0) == claims[1:]
    assert applier.writer.review([], [], 0) == []


def test_an_owner_whose_offset_moved_writes_nothing(database: Database, applier: Applier) -> None:
    slice_ = applier.slice("trip", some_trips())
    database.execute("UPDATE progress SET next_offset = 1")
    before = _everything(database)
    with pytest.raises(Fenced):
        applier.write(slice_)
    assert _everything(database) == before


def test_a_fence_of_one_partition_holds_back_the_whole_transaction(database: Database, applier: Applier) -> None:
    slice_ = applier.slice("trip", some_trips())
    other = applier.slice("trip", [events.record("TripRecorded", trip(trip_id=50))], partition=1)
    database.execute("UPDATE progress SET owner_epoch = owner_epoch + 1 WHERE kafka_partition = 1")
    before = _everything(database)
    with pytest.raises(Fenced) as fenced:
        applier.write(slice_, other)
    assert fenced.value.partitions == (TopicPartition("trip", 1),)
    assert _everything(database) == before


def test_a_partition_without_progress_is_fenced(database: Database, applier: Applier) -> None:
    slice_ = applier.slice("trip", some_trips())
    database.execute("DELETE FROM progress")
    with pytest.raises(Fenced):
        applier.write(slice_)
    assert database.count("trip") == 0


def test_advancing_is_fenced_as_well(database: Database, applier: Applier) -> None:
    """The second half of the guard: progress moves only from where the fence saw it."""
    slice_ = applier.slice("trip", some_trips()).slice
    slice_.claim.next_offset = 7
    with database.engine().begin() as connection, pytest.raises(Fenced):
        progress.advance(connection, GROUP_ID, [(slice_, RecordCounts(3, 3, 0, 0))])


def test_writing_the_same_slice_again_is_refused(database: Database, applier: Applier) -> None:
    slice_ = applier.slice("trip", some_trips())
    applier.write(slice_)
    with pytest.raises(AssertionError, match="is missing"):
        applier.write(slice_)
    assert_drained(database, applier.log, GROUP_ID)


def test_a_slice_after_a_missing_one_is_refused(database: Database, applier: Applier) -> None:
    applier.slice("trip", some_trips())
    with pytest.raises(AssertionError, match="is missing"):
        applier.write(applier.slice("trip", some_trips()))


def test_everything_of_a_transaction_or_nothing(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step fails: rows, dead letters and ledger go with it, and the same slice can be tried again."""
    slice_ = applier.slice("trip", [*some_trips(), _broken()])
    before = _everything(database)

    def refuse(*_arguments: object) -> None:
        raise pymysql.err.OperationalError(1213, "a deadlock that holds 'marker'")

    with monkeypatch.context() as patch:
        patch.setattr(progress, "advance", refuse)
        with pytest.raises(TransactionConflict) as conflict:
            applier.write(slice_)
    assert "marker" not in str(conflict.value)
    assert conflict.value.__cause__ is None
    assert _everything(database) == before
    applier.write(slice_)
    assert_drained(database, applier.log, GROUP_ID)


def test_a_gap_moves_progress_without_records(database: Database, applier: Applier) -> None:
    slice_ = applier.slice("trip", [])
    slice_.slice.next_offset, slice_.slice.complete_through_ms = 5, None
    (written,) = applier.write(slice_)
    assert written.records.consumed == 0
    (row,) = database.rows("progress")
    assert (row["next_offset"], row["records_consumed"], row["complete_through"]) == (5, 0, None)


def test_nothing_is_complete_through_a_moment_to_come(database: Database, applier: Applier) -> None:
    """A producer's clock is 50 minutes ahead, and so is what an older version had noted."""
    slice_ = applier.slice("trip", [events.record("TripRecorded", trip())])
    slice_.slice.complete_through_ms = moments.to_millis(moments.now() + timedelta(minutes=50))
    applier.write(slice_)
    claim = slice_.slice.claim
    for _ in range(2):
        (row,) = database.rows("progress")
        assert row["complete_through"] <= database.value("SELECT UTC_TIMESTAMP(6)")
        database.execute("UPDATE progress SET complete_through = UTC_TIMESTAMP(6) + INTERVAL 50 MINUTE")
        applier.writer.review([claim], [claim], moments.to_millis(moments.now()))


def test_completeness_never_goes_back(database: Database, applier: Applier) -> None:
    for through, stored in ((0, 0), (-5000, 0), (None, 0), (1, 1)):
        slice_ = applier.slice("trip", some_trips(1))
        slice_.slice.complete_through_ms = None if through is None else RECORDED_MS + through
        applier.write(slice_)
        (row,) = database.rows("progress")
        assert row["complete_through"] == moment((RECORDED_MS + stored) * 1000)


def test_groups_have_progress_of_their_own(database: Database, applier: Applier) -> None:
    applier.write(applier.slice("trip", some_trips()))
    with database.engine().connect() as connection:
        assert progress.next_offsets(connection, GROUP_ID, ["trip"]) == {TRIP_0: 3}
        assert progress.next_offsets(connection, "other", ["trip"]) == {}
        assert progress.next_offsets(connection, GROUP_ID, ["bytemark.pass"]) == {}


def test_dead_letters_are_written_once_and_counted_again(database: Database, applier: Applier) -> None:
    """A record that is read again (a restored backup, a replay) is the same dead letter with another attempt."""
    applier.write(applier.slice("trip", [_broken(), _broken()]))
    database.execute("UPDATE progress SET next_offset = 0")
    again = Applier(database)
    again.write(again.slice("trip", [_broken(), _broken()]))
    again.close()
    letters = database.rows("dead_letter")
    assert [(row["kafka_offset"], row["attempts"]) for row in letters] == [(0, 2), (1, 2)]
    assert all(row["first_rejected_on"] < row["last_rejected_on"] for row in letters)


def test_rows_of_the_service_go_in_few_statements(database: Database, applier: Applier) -> None:
    """PyMySQL sends one statement a row unless it knows the statement's form: pin that it knows ours."""
    executed: list[str] = []

    def note(_connection: Any, cursor: Any, *_arguments: Any) -> None:
        sent = cursor._executed
        executed.append(sent if isinstance(sent, str) else bytes(sent).decode(errors="replace"))

    slices = [applier.slice("trip", [*some_trips(), *[_broken()] * 30], partition) for partition in range(6)]
    engine = applier.writer.engine
    event.listen(engine, "after_cursor_execute", note)
    applier.write(*slices)
    event.remove(engine, "after_cursor_execute", note)
    assert database.count("dead_letter") == 180
    assert database.count("ledger") == 12
    # What the driver sent last for each: with all rows, or with the last one alone.
    (letters,) = [statement for statement in executed if statement.startswith("INSERT INTO dead_letter")]
    (ledger,) = [statement for statement in executed if statement.startswith("INSERT INTO ledger")]
    assert letters.count("unknown_framing") == 180
    assert ledger.count(f"'{GROUP_ID}'") == 12


def test_a_batch_of_any_number_of_partitions_takes_the_same_statements(database: Database, applier: Applier) -> None:
    """SQLAlchemy keeps 500 of them: with each number of partitions as one of its own a process grows for hours."""
    kept = []
    for count in range(1, 6):
        slices = [applier.slice("trip", some_trips(), partition) for partition in range(count)]
        applier.write(*slices)
        claims = [each.slice.claim for each in slices]
        assert applier.writer.review(claims, claims, RECORDED_MS) == []
        # Kept under this private name only.
        kept.append(set(applier.writer.engine._compiled_cache or ()))
    assert kept[1:] == kept[:1] * 4


def test_a_recreated_topics_dead_letters_stand_beside_the_old_ones(database: Database, applier: Applier) -> None:
    record = _broken()._replace(offset=0)

    rejection = Rejection(Stage.DECODE, Reason.TRUNCATED)
    with database.engine().begin() as connection:
        for topic_id in ("old", "new"):
            dead_letters.keep(connection, [dead_letters.DeadLetter(topic_id, TRIP_0, record, rejection)])
    assert {row["topic_id"] for row in database.rows("dead_letter")} == {"old", "new"}


def test_a_lane_can_be_killed_by_the_server_and_goes_on(database: Database, applier: Applier) -> None:
    applier.write(applier.slice("trip", some_trips()))
    slice_ = applier.slice("trip", [events.record("TripRated", rating(event_id=uuid_text(3)))])
    for connection_id in database.connection_ids():
        database.execute(f"KILL {connection_id}")
    with pytest.raises(DatabaseUnavailable):
        applier.write(slice_)
    applier.write(slice_)
    assert_drained(database, applier.log, GROUP_ID)


def test_a_locked_progress_row_is_a_conflict_and_comes_before_any_row(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that holds the locks of progress knows that no older write is under way: an erasure relies on it."""
    slice_ = applier.slice("trip", some_trips())
    applier.writer.ping()
    with database.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM progress FOR UPDATE")
        _hurry(applier)
        with monkeypatch.context() as patch:
            patch.setattr(write, "write_rows", _must_not_be_called)
            with pytest.raises(TransactionConflict) as conflict:
                applier.write(slice_)
    assert conflict.value.reason == "lock_wait"
    applier.write(slice_)
    assert_drained(database, applier.log, GROUP_ID)


def test_nothing_to_write_waits_for_nobody(database: Database, applier: Applier) -> None:
    """A lane may give up the last of a batch in the last moment: its write must not lock all that there is then."""
    applier.write(applier.slice("trip", some_trips()))
    with database.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM progress FOR UPDATE")
        _hurry(applier)
        assert applier.write() == []


def _must_not_be_called(*_arguments: object) -> None:
    raise AssertionError("rows were written")


def _hurry(applier: Applier) -> None:
    """Wait one second for a lock instead of five."""
    with applier.writer._transaction() as connection:
        connection.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
        connection.connection.driver_connection.row_wait_seconds = 1  # type: ignore[union-attr]


def _broken() -> Any:
    return events.record("TripRecorded", trip())._replace(value=b"nonsense")


def _everything(database: Database) -> dict[str, list[Any]]:
    tables = ("progress", "ledger", "dead_letter", "trip", "hntb_trip", "user_rating")
    return {table: database.rows(table) for table in tables}


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_commit_that_ends_with_an_error_counts_once_whether_it_happened_or_not(
    mysql: Database, monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    """Galera and group replication refuse at COMMIT; of other errors there nobody knows what became of it."""
    commit = pymysql.Connection.commit
    applier = Applier(mysql)
    errnos = (1180, 1213, 1317, 2013, 3100, 3101)
    for number, errno in enumerate(errnos, 1):
        trips = applier.slice("trip", [events.record("TripRecorded", trip(trip_id=number))])

        def fail(connection: Any, errno: int = errno) -> None:
            monkeypatch.undo()
            commit(connection) if has_happened else connection.rollback()
            raise pymysql.err.OperationalError(errno, "the server's own text")

        monkeypatch.setattr(pymysql.Connection, "commit", fail)
        with pytest.raises(TransientError):
            applier.write(trips)
        (written,) = applier.write(trips)
        assert written.rows["trip"].inserted == 1
    assert mysql.count("trip") == len(errnos)
    assert_drained(mysql, applier.log, GROUP_ID)
    applier.close()
