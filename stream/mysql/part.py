"""A part of a table's rows: one look at what is stored, then what is new is loaded, what may change a row is upserted,
and what is there already is passed over. Beside the counts it tells what changed where.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table

from stream.counts import RowCounts
from stream.declaration.rollups import PERIOD_MICROS
from stream.declaration.tables import business_time_of, guards_of, is_claiming
from stream.errors import TransactionConflict, Trouble
from stream.mysql.look import Stored, look
from stream.mysql.send import is_worth_loading, load, may_load, send
from stream.mysql.touched import NEVER_LATE, Changes, day_of, of_periods, of_rows
from stream.stages.compact import Row, TableRows
from stream.stages.values import keys_of, places_of, version_in


def write_part(
    connection: Connection, partition: int, part: TableRows, late_before: int, *, rewrites: bool
) -> tuple[RowCounts, Changes]:
    """Write rows of a table, so few that one look can take them; the counts, and the changes to be noted. Business
    dates are late before `late_before` (microseconds). Where it `rewrites`, an equal version wins as well. Raises
    DataRefused, and TransactionConflict where a row came between the look and the writing: nobody knows where it lay.
    """
    table = part.feed.table
    loads = is_worth_loading(part.rows) and may_load(connection, table)
    if not loads and business_time_of(table) is None:
        return send(connection, partition, table, part.rows, rewrites=rewrites), Changes()
    keys = keys_of(table, part.rows)
    looked = Looked(part, keys, look(connection, table, keys), rewrites)
    if loads and is_worth_loading(looked.new) and load(connection, partition, table, looked.rows(looked.new)):
        loaded, upserted = looked.new, looked.met
    else:
        loaded, upserted = [], sorted([*looked.new, *looked.met])
    sent = send(connection, partition, table, looked.rows(upserted), rewrites=rewrites)
    settled = len(part.rows) - len(loaded) - len(upserted)
    counts = sent + RowCounts(len(loaded), inserted=len(loaded)) + RowCounts(settled, unchanged=settled)
    if business_time_of(table) is None:
        return counts, Changes()
    if sent.inserted < looked.keys_without_row(upserted):
        raise TransactionConflict(Trouble.ROW_CAME_BETWEEN, 0)
    now = look(connection, table, keys) if rewrites and sent.updated else looked.stored
    return counts, looked.changes(now, late_before)


@dataclass
class Looked:
    """Rows beside what is stored under their keys; rows are named by their places."""

    part: TableRows
    keys: Sequence[Any]
    stored: Mapping[int, Stored]
    rewrites: bool

    def __post_init__(self) -> None:
        self.new: Sequence[int] = range(len(self.keys))
        """Rows that can be loaded: nothing is stored under their keys, nor is there another of them."""
        self.met: Sequence[int] = ()
        """Rows that may change a stored row, or one of each other."""
        repeated = _repeated(self.keys)
        if self.stored or repeated:
            is_met = [place in self.stored or key in repeated for place, key in enumerate(self.keys)]
            settles = _goes_by_one_version(self._table)
            self.met = [place for place in self.new if is_met[place] and not (settles and self._is_settled(place))]
            self.new = [place for place in self.new if not is_met[place]]

    @property
    def _table(self) -> Table:
        return self.part.feed.table

    def rows(self, places: Sequence[int]) -> list[Row]:
        return [self.part.rows[place] for place in places]

    def keys_without_row(self, places: Sequence[int]) -> int:
        """The number of keys of these rows under which nothing is stored."""
        return len({self.keys[place] for place in places if place not in self.stored})

    def _is_settled(self, place: int) -> bool:
        """Whether the row would change nothing: what is stored is newer, or is the row itself."""
        stored = self.stored.get(place)
        if stored is None:
            return False
        sent = version_in(self._table, self.part.rows[place])
        return stored.version > sent or (stored.version == sent and not self.rewrites)

    def changes(self, now: Mapping[int, Stored], late_before: int) -> Changes:
        """The changes that writing the rows made. Of those that were written again, `now` tells which differed."""
        moment: Any = business_time_of(self._table)
        (at,) = places_of(self._table, moment.name)
        rows = self.part.rows
        if not self.stored:
            return of_rows(self._table, map(itemgetter(at), rows), late_before)
        changed = [place for place in self.met if place in self.stored and self._has_changed(place, now[place])]
        inserted = [place for place in (*self.new, *self.met) if place not in self.stored]
        periods = {place: rows[place][at] // PERIOD_MICROS for place in (*inserted, *changed)}
        left = Counter(
            (self.stored[place].period, day_of(self.stored[place].period) == day_of(periods[place]))
            for place in changed
        )
        changes = of_periods(self._table, Counter(periods.values()), late_before)
        for (period, is_same_day), count in left.items():
            # On the same date it is one change.
            changes |= of_periods(self._table, {period: count}, NEVER_LATE if is_same_day else late_before)
        return changes

    def _has_changed(self, place: int, now: Stored) -> bool:
        before = self.stored[place]
        return before.version < version_in(self._table, self.part.rows[place]) or now.loaded_on != before.loaded_on


def _repeated(keys: Sequence[Any]) -> set[Any]:
    """The keys that are there more than once: nearly always none."""
    if len(set(keys)) == len(keys):
        return set()
    return {key for key, count in Counter(keys).items() if count > 1}


def _goes_by_one_version(table: Table) -> bool:
    """Whether a row's version alone decides what becomes of it, and not also a column's, or what other rows claim."""
    return len(guards_of(table)) == 1 and not is_claiming(table)
