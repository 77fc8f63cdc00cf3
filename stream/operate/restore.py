"""Restoring: records that were left out of an erased person are applied, once a return says that they had come back.

The way is that of a redrive (`redrive.apply_again`), from Kafka's log: nothing of such a record is kept. Each
transaction takes some notes of one partition:

1. lock the partition's ledger of redriven records, for which an erasure's sweep waits
2. lock the markers of the notes' persons: what is let in now stays so until the end
3. forget the notes; what is left out again, because the person was erased again meanwhile, is noted anew
4. apply the records
"""

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from stream.declaration.persons import Person
from stream.errors import ConfigurationError
from stream.kafka.record_reader import RecordReader
from stream.mysql import progress, returns
from stream.mysql.dead_letters import LogPart
from stream.mysql.markers import markers
from stream.operate.redrive import ReadLog, apply_again
from stream.records import Record
from stream.schemas.decoder import Decoder
from stream.settings import LOOK_BACK_DAYS


def log_reader(properties: Mapping[str, str]) -> ReadLog:
    """Reads records with a client for each question: a return that comes late is rare."""

    def read(part: LogPart, offsets: Sequence[int]) -> Mapping[int, Record]:
        with closing(RecordReader(properties)) as reader, suppress(ConfigurationError):
            return reader.read(part.topic_id, part.topic_partition, offsets)
        return {}  # the topic is gone, and its records with it

    return read


@dataclass(frozen=True)
class Restored:
    """Records that were looked for in the log again."""

    records: int
    gone_from_log: int


@dataclass(frozen=True)
class Restorer:
    """Restores what a process can read: records of the topics that it has readers for."""

    decoder: Decoder
    read_log: ReadLog
    look_back_days: int = LOOK_BACK_DAYS

    @property
    def topics(self) -> Sequence[str]:
        return list(self.decoder.readers)

    def restore_some(self, connection: Connection) -> Restored | None:
        """Restore some records of one partition; None where none is left. Raises TransientError, and the driver's own
        errors."""
        with connection.begin():
            due = returns.due(connection, self.topics)
        if due is None:
            return None
        part, notes = due
        offsets = sorted({note["kafka_offset"] for note in notes})
        # Before the transaction, whose locks are not to wait for Kafka or a registry.
        in_log = self.read_log(part, offsets)
        records = [in_log[offset] for offset in offsets if offset in in_log]
        readers = self.decoder.readers_for(part.topic, records)
        with connection.begin():
            # 1. the ledger of redriven records
            progress.lock_redrive(connection, part.topic_partition, part.topic_id)
            # 2. the markers
            persons = {Person(note["person_kind"], note["person_id"]) for note in notes}
            markers(connection, persons, is_locking=True)
            # 3. the notes
            returns.forget(connection, notes)
            # 4. the records
            if records:
                apply_again(connection, part, records, readers, self.look_back_days, is_restoring=True)
        return Restored(len(records), len(offsets) - len(records))
