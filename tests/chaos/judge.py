"""The judgement once everything is drained: what `tests.balance` asks of every test, and what only holds where each
record was applied by exactly one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stream.records import TopicPartition
from tests.balance import assert_drained
from tests.broker import Broker
from tests.chaos.overheard import Overheard
from tests.chaos.traces import WORD, traces
from tests.chaos.watch import Watch
from tests.commands import run_command
from tests.model import PERSONS_TOPIC, TOPICS, Coordinates, Expected, LogRecord, named_by

FLAW_HEADER = "synthetic-flaw"

COMMANDS = (("lag",), ("dead-letters", "list", "--limit", "100000", "--format", "json"), ("check",))
"""The commands whose output an operator sends on to others."""

ANSWERS_MIN = 20
"""Fewer answers overheard than this show nothing."""

DECODE_REASONS = {
    "empty_value",
    "too_large",
    "unknown_framing",
    "unknown_schema",
    "unexpected_record",
    "truncated",
    "trailing_bytes",
    "invalid_text",
    "malformed",
}
"""Found in the bytes; all other reasons in the event."""


def assert_nothing_is_lost_or_doubled(broker: Broker, watch: Watch, records: Sequence[LogRecord]) -> Expected:
    """The topics' records, read back from Kafka, against everything in MySQL."""
    expected = assert_drained(watch.database, records, watch.group_id)
    assert_the_broken_are_the_announced(records, expected)
    assert_progress_is_at_the_ends(broker, watch)
    assert_ledgers_agree(watch)
    assert_the_planted_were_at_stake(watch)
    return expected


def assert_the_planted_were_at_stake(watch: Watch) -> None:
    """Personal values went all the way, so that there was something to give away."""
    places = (("auth_user", "device_token", WORD), ("dead_letter", "record_value", WORD.encode()))
    for table, column, word in (*places, ("erasure", "person_id", WORD)):
        assert any(word in (row[column] or word[:0]) for row in watch.database.rows(table)), (table, column)


def assert_nothing_personal_is_told(logs: Iterable[Path], overheard: Overheard, settings: Mapping[str, str]) -> None:
    assert not overheard.traces
    assert overheard.answers >= ANSWERS_MIN
    for log in logs:
        assert not traces(log.read_text(encoding="utf-8")), log.name
    for command in COMMANDS:
        done = run_command(settings, *command)
        assert done.stdout, done.stderr
        assert not traces(done.stdout + done.stderr), command


def assert_the_broken_are_the_announced(records: Sequence[LogRecord], expected: Expected) -> None:
    announced = {record.coordinates for record in records if FLAW_HEADER in dict(record.headers)}
    assert announced == expected.dead_letters.keys()


def assert_each_dead_letter_was_written_once(watch: Watch, records: Sequence[LogRecord], expected: Expected) -> None:
    """A record that is read again after a kill was never dead-lettered before: that transaction is gone as a whole.
    Records that a return let in were read again for it."""
    let_in = {record.coordinates for record in records if named_by(record) in expected.returned}
    wrong = [
        (row["topic"], row["kafka_partition"], row["kafka_offset"], row["stage"], row["reason"], row["attempts"])
        for row in watch.database.rows("dead_letter")
        if Coordinates(row["topic"], row["kafka_partition"], row["kafka_offset"]) not in let_in
        if (row["stage"], row["attempts"]) != ("decode" if row["reason"] in DECODE_REASONS else "validate", 1)
    ]
    assert not wrong


def assert_progress_is_at_the_ends(broker: Broker, watch: Watch) -> None:
    reached = {partition: row["next_offset"] for partition, row in watch.progress().items()}
    assert reached == {
        TopicPartition(partition.topic, partition.partition): end for partition, end in broker.ends().items()
    }


def assert_ledgers_agree(watch: Watch) -> None:
    """The two ledgers tell of the same transactions: each record that counts as written sent one row to each table
    of its event, or, where tables of one event have other keys, to one of them at least."""
    sent = watch.rows_sent()
    for where, row in watch.progress().items():
        if where.topic == PERSONS_TOPIC:
            assert_persons_ledgers_agree(where, sent, row["records_written"])
            continue
        by_event: dict[tuple[str, ...], set[int]] = {}
        members = 0
        for name, table in TOPICS[where.topic].tables.items():
            if table.is_set:  # of which a record has as many rows as members, also where its parent is superseded
                members += sent.get((where, name), 0)
            else:
                by_event.setdefault(tuple(table.rows), set()).add(sent.get((where, name), 0))
        assert all(len(counts) == 1 for counts in by_event.values()), (where, by_event)
        counts = [max(counted) for counted in by_event.values()]
        least = max(counts) if _do_share_an_event(by_event) else sum(counts)
        assert least <= row["records_written"] <= sum(counts) + members, (where, by_event, row)


def _do_share_an_event(groups: Iterable[tuple[str, ...]]) -> bool:
    names = [name for group in groups for name in group]
    return len(names) > len(set(names))


def assert_persons_ledgers_agree(
    where: TopicPartition, sent: Mapping[tuple[TopicPartition, str], int], written: int
) -> None:
    """Here a record may send a row to one table of its event and be superseded in another."""
    at_most_one_each = sum(sent.get((where, name), 0) for name in ("auth_user", "users", "user_sign_in", "erasure"))
    others = sum(sent.get((where, name), 0) for name in ("user_data", "user_name_history"))
    assert at_most_one_each <= written <= at_most_one_each + others, (where, written)
