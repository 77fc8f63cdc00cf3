"""Progress: the offset through which each partition is applied, its owner, and the two ledgers.

All of it lives in MySQL, in the transaction of the rows themselves; Kafka's committed offset is only informed.

Claim: a new owner raises the epoch and reads the offset, which is the truth.
Fence: a write locks its progress rows first and goes on only where epoch and offset are still its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Select, Update, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.mysql import Insert, insert

from stream import moments
from stream.counts import RecordCounts, RowCounts
from stream.declaration.service_tables import LEDGER, OFFSET_RESET, PROGRESS
from stream.errors import Fenced, TerminalError
from stream.records import Claim, Slice, TopicPartition

PARTITION = (PROGRESS.c.topic, PROGRESS.c.kafka_partition)
STANDING = (*PARTITION, PROGRESS.c.owner_epoch, PROGRESS.c.next_offset)
"""A partition, and what a claim of it is compared with."""


def claim(connection: Connection, group_id: str, claim: Claim, owner: str) -> tuple[str, int, int, int | None]:
    """Raise the partition's epoch, in this transaction, and read where to go on: topic id, epoch, next offset, and the
    moment through which it is complete (Kafka's milliseconds). A partition that was never applied begins as the claim
    says."""
    partition = claim.topic_partition
    fresh = _fresh(group_id, partition, claim.topic_id, next_offset=claim.next_offset, owner=owner, owner_epoch=1)
    raised = {"owner_epoch": PROGRESS.c.owner_epoch + 1, "owner": owner, "updated_on": func.utc_timestamp(6)}
    connection.execute(fresh.on_duplicate_key_update(raised))
    row = connection.execute(select(PROGRESS).where(_is_row(group_id, partition))).one()
    through_ms = None if row.complete_through is None else moments.to_millis(row.complete_through)
    return row.topic_id, row.owner_epoch, row.next_offset, through_ms


def prepare(connection: Connection, group_id: str, positions: Mapping[TopicPartition, tuple[str, int]]) -> None:
    """Say where partitions begin, each with its topic's id and an offset, before anybody claims them."""
    for partition, (topic_id, offset) in positions.items():
        connection.execute(_fresh(group_id, partition, topic_id, next_offset=offset))


def move(
    connection: Connection,
    group_id: str,
    topic_partition: TopicPartition,
    *,
    topic_id: str,
    from_offset: int,
    to_offset: int,
    epoch: int | None = None,
    owner: str | None = None,
) -> None:
    """Have a partition go on elsewhere, and raise its epoch, which fences whoever still writes from the old place.
    Raises TerminalError where its offset is no longer `from_offset`, or its epoch, where one is given, is another."""
    as_seen = _is_row(group_id, topic_partition) & (PROGRESS.c.next_offset == from_offset)
    if epoch is not None:
        as_seen &= PROGRESS.c.owner_epoch == epoch
    moved = {
        "topic_id": topic_id,
        "owner_epoch": PROGRESS.c.owner_epoch + 1,
        "owner": PROGRESS.c.owner if owner is None else owner,
        "next_offset": to_offset,
        "updated_on": func.utc_timestamp(6),
    }
    if connection.execute(update(PROGRESS).where(as_seen).values(moved)).rowcount != 1:
        raise TerminalError(f"{topic_partition} moved meanwhile: look at the plan again; nothing was changed")


def note_reset(
    connection: Connection,
    group_id: str,
    topic_partition: TopicPartition,
    *,
    epoch: int,
    from_offset: int | None,
    to_offset: int,
) -> None:
    """Write down that an operator moved a partition, so that the ledgers and the log add up."""
    moved = {"owner_epoch": epoch, "from_offset": from_offset, "to_offset": to_offset}
    reset = insert(OFFSET_RESET).values(**_key(group_id, topic_partition), **moved, reset_on=func.utc_timestamp(6))
    connection.execute(reset)


def remove(connection: Connection, group_id: str) -> int:
    """Remove all progress of a group; the number of its rows."""
    return connection.execute(delete(PROGRESS).where(PROGRESS.c.group_id == group_id)).rowcount


def _fresh(
    group_id: str,
    topic_partition: TopicPartition,
    topic_id: str,
    *,
    next_offset: int,
    owner: str = "",
    owner_epoch: int = 0,
) -> Insert:
    """The first row of a partition; one that nobody has claimed has epoch 0."""
    return insert(PROGRESS).values(
        **_key(group_id, topic_partition),
        topic_id=topic_id,
        owner_epoch=owner_epoch,
        owner=owner,
        next_offset=next_offset,
        updated_on=func.utc_timestamp(6),
    )


class Standing(Enum):
    """The stored progress beside the write that is about to begin."""

    OURS = "ours"
    ALREADY_WRITTEN = "already_written"
    """Our epoch and our end: a COMMIT whose answer was lost did happen."""


def fence(connection: Connection, group_id: str, slices: Sequence[Slice]) -> Standing:
    """Lock the slices' progress rows until the transaction ends, and see that they are as we left them. Whoever holds
    these locks knows that no older write is under way. Raises Fenced otherwise."""
    stored = _stored(connection, _standing(group_id, [each.topic_partition for each in slices]).with_for_update())
    if all(stored.get(each.topic_partition) == _own(each.claim) for each in slices):
        return Standing.OURS
    if all(stored.get(each.topic_partition) == (each.claim.epoch, each.next_offset) for each in slices):
        return Standing.ALREADY_WRITTEN
    raise Fenced([each.topic_partition for each in slices if stored.get(each.topic_partition) != _own(each.claim)])


def stale(connection: Connection, group_id: str, claims: Sequence[Claim]) -> list[Claim]:
    """The claims that progress no longer bears out. Locks nothing: it tells what a write would meet."""
    if not claims:
        return []
    stored = _stored(connection, _standing(group_id, [claim.topic_partition for claim in claims]))
    return [claim for claim in claims if stored.get(claim.topic_partition) != _own(claim)]


def _standing(group_id: str, partitions: Iterable[TopicPartition]) -> Select[Any]:
    return select(*STANDING).where(_is_any(group_id, PARTITION, partitions))


def _stored(connection: Connection, query: Select[Any]) -> dict[TopicPartition, tuple[int, int]]:
    rows = connection.execute(query)
    return {TopicPartition(topic, partition): (epoch, offset) for topic, partition, epoch, offset in rows}


def _own(claim: Claim) -> tuple[int, int]:
    return claim.epoch, claim.next_offset


def advance(connection: Connection, group_id: str, counts: Sequence[tuple[Slice, RecordCounts]]) -> None:
    """Move partitions' progress to the ends of their slices, and add to the ledger of records. Raises Fenced where a
    row is not as the fence saw it: the second half of the guard."""
    sent = []
    for slice_, count in counts:
        through_ms = slice_.complete_through_ms
        sent.append(
            {
                **{f"of_{name}": value for name, value in _key(group_id, slice_.topic_partition).items()},
                "of_epoch": slice_.claim.epoch,
                "from_offset": slice_.claim.next_offset,
                "to_offset": slice_.next_offset,
                "through": None if through_ms is None else moments.from_millis(through_ms),
                **{f"more_{outcome}": number for outcome, number in asdict(count).items()},
            }
        )
    if connection.execute(_advancing(), sent).rowcount != len(sent):
        raise Fenced([slice_.topic_partition for slice_, _ in counts])


@cache
def _advancing() -> Update:
    """Moves a partition's progress, where epoch and offset are still those of its claim. Made once: SQLAlchemy takes
    longer to put it together than the server takes to run it."""
    is_own = (
        *(PROGRESS.c[name] == bindparam(f"of_{name}") for name in ("group_id", *(part.name for part in PARTITION))),
        PROGRESS.c.owner_epoch == bindparam("of_epoch"),
        PROGRESS.c.next_offset == bindparam("from_offset"),
    )
    values = {
        "next_offset": bindparam("to_offset"),
        "complete_through": func.coalesce(_not_before(bindparam("through")), PROGRESS.c.complete_through),
        "updated_on": func.utc_timestamp(6),
    }
    added = _added({each.name: bindparam(f"more_{each.name}") for each in fields(RecordCounts)})
    return update(PROGRESS).where(*is_own).values(**values, **added)


def complete(connection: Connection, group_id: str, claims: Sequence[Claim], moment_ms: int) -> None:
    """Note that partitions are complete through a moment (Kafka's milliseconds), where progress is still the claim's:
    they had reached their ends as of then."""
    if claims:
        own = _is_any(group_id, STANDING, [(*claim.topic_partition, *_own(claim)) for claim in claims])
        connection.execute(
            update(PROGRESS).where(own).values(complete_through=_not_before(moments.from_millis(moment_ms)))
        )


def _not_before(through: Any) -> Any:
    """The next value of complete_through, which goes neither back nor beyond now. Timestamps are those of producers,
    whose clocks may be ahead: what is now is for MySQL's clock to say, which all processes share."""
    latest = func.greatest(func.coalesce(PROGRESS.c.complete_through, through), through)
    return func.least(latest, func.utc_timestamp(6))


def record_rows(connection: Connection, group_id: str, counts: Mapping[tuple[TopicPartition, str], RowCounts]) -> None:
    """Add to the ledger of rows, per partition and table."""
    if not counts:
        return
    sent = [
        {
            **_key(group_id, topic_partition),
            "table_name": table_name,
            **{f"rows_{outcome}": count for outcome, count in asdict(rows).items()},
        }
        for (topic_partition, table_name), rows in counts.items()
    ]
    connection.execute(_adding_rows(), sent)


@cache
def _adding_rows() -> Insert:
    statement = insert(LEDGER)
    names = [f"rows_{each.name}" for each in fields(RowCounts)]
    return statement.on_duplicate_key_update([(name, LEDGER.c[name] + statement.inserted[name]) for name in names])


REDRIVE_GROUP_ID = "(redrive)"
"""Under which the ledgers count what was redriven. No consumer group may be called so (settings.Settings.group_id)."""


def lock_redrive(connection: Connection, topic_partition: TopicPartition, topic_id: str) -> None:
    """Lock the partition's row of redriven records until the transaction ends. An erasure's sweep waits for it, as it
    does for the rows of consumers, and so does another redrive."""
    # Offset 0: it follows no log.
    fresh = _fresh(REDRIVE_GROUP_ID, topic_partition, topic_id, next_offset=0, owner="stream dead-letters redrive")
    connection.execute(fresh.on_duplicate_key_update(topic_id=topic_id, updated_on=func.utc_timestamp(6)))


def count_redriven(connection: Connection, topic_partition: TopicPartition, counts: RecordCounts) -> None:
    """Add to the ledger of redriven records."""
    is_row = _is_row(REDRIVE_GROUP_ID, topic_partition)
    connection.execute(update(PROGRESS).where(is_row).values(_added(asdict(counts))))


def _added(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a ledger of records after some more, by their outcomes."""
    return {f"records_{outcome}": PROGRESS.c[f"records_{outcome}"] + count for outcome, count in counts.items()}


def next_offsets(connection: Connection, group_id: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """The next offset to apply, by partition, whoever owns it."""
    is_asked_for = and_(PROGRESS.c.group_id == group_id, PROGRESS.c.topic.in_(list(topics)))
    rows = connection.execute(select(PROGRESS).where(is_asked_for))
    return {TopicPartition(row.topic, row.kafka_partition): row.next_offset for row in rows}


def owner_of(connection: Connection, group_id: str, topic_partition: TopicPartition) -> str | None:
    """The process that claimed the partition last."""
    return connection.execute(select(PROGRESS.c.owner).where(_is_row(group_id, topic_partition))).scalar_one_or_none()


def _is_row(group_id: str, topic_partition: TopicPartition) -> Any:
    return and_(*(PROGRESS.c[name] == value for name, value in _key(group_id, topic_partition).items()))


def _is_any(group_id: str, columns: Sequence[Column[Any]], values: Iterable[tuple[Any, ...]]) -> Any:
    """The rows of a group in which the columns have any of these values; the key serves where it leads them. One
    statement for any number: SQLAlchemy keeps hundreds, and those that name forty rows one by one take a hundred
    kilobytes each."""
    return and_(PROGRESS.c.group_id == group_id, tuple_(*columns).in_(list(values)))


def _key(group_id: str, topic_partition: TopicPartition) -> dict[str, str | int]:
    topic, partition = topic_partition
    return {"group_id": group_id, "topic": topic, "kafka_partition": partition}
