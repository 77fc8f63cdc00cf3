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


class Inseparable(Exception):
    """The server did something else than what was to be expected, and so it can't be told which of the slices whose
    rows were written together has how many of them."""


def is_separable(table: Table, *, rewrites: bool) -> bool:
    """Whether rows of several slices can be written together, and counted apart: what is stored decides of each."""
    return _goes_by_one_version(table) and not rewrites


def write_part(
    connection: Connection, pieces: Sequence[TableRows], late_before: int, *, rewrites: bool
) -> tuple[list[RowCounts], Changes]:
    """Write rows of a table, each piece of another slice, so few that one look can take them; the counts of each, and
    the changes to be noted. Business dates are late before `late_before` (microseconds). Where it `rewrites`, an equal
    version wins as well. Raises DataRefused, Inseparable where there are several pieces, and TransactionConflict where
    a row came between the look and the writing: nobody knows where it lay."""
    table = pieces[0].feed.table
    rows = [row for piece in pieces for row in piece.rows]
    loads = is_worth_loading(rows) and may_load(connection, table)
    if len(pieces) == 1 and not loads and business_time_of(table) is None:
        return [send(connection, table, rows, rewrites=rewrites)], Changes()
    keys = keys_of(table, rows)
    looked = Looked(table, rows, keys, look(connection, table, keys), rewrites)
    if loads and is_worth_loading(looked.new) and load(connection, table, looked.at(looked.new)):
        loaded, upserted = looked.new, looked.met
    else:
        loaded, upserted = [], sorted([*looked.new, *looked.met])
    sent = send(connection, table, looked.at(upserted), rewrites=rewrites)
    if business_time_of(table) is None:
        return looked.counts(pieces, loaded, upserted, sent), Changes()
    if sent.inserted < looked.keys_without_row(upserted):
        raise TransactionConflict(Trouble.ROW_CAME_BETWEEN, 0)
    now = look(connection, table, keys) if rewrites and sent.updated else looked.stored
    return looked.counts(pieces, loaded, upserted, sent), looked.changes(now, late_before)


@dataclass
class Looked:
    """Rows of a table beside what is stored under their keys; rows are named by their places."""

    table: Table
    rows: Sequence[Row]
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
            settles = _goes_by_one_version(self.table)
            self.met = [place for place in self.new if is_met[place] and not (settles and self._is_settled(place))]
            self.new = [place for place in self.new if not is_met[place]]

    def at(self, places: Sequence[int]) -> list[Row]:
        """The rows at these places."""
        return [self.rows[place] for place in places]

    def keys_without_row(self, places: Sequence[int]) -> int:
        """The number of keys of these rows under which nothing is stored."""
        return len({self.keys[place] for place in places if place not in self.stored})

    def counts(
        self, pieces: Sequence[TableRows], loaded: Sequence[int], upserted: Sequence[int], sent: RowCounts
    ) -> list[RowCounts]:
        """The counts of each piece, where rows at these places were loaded and upserted; `sent` are those of the latter
        together. Of several pieces each row's outcome is known from what was stored. Raises Inseparable where the
        server counts otherwise."""
        if len(pieces) == 1:
            settled = len(self.rows) - len(loaded) - len(upserted)
            return [sent + RowCounts(len(loaded), inserted=len(loaded)) + RowCounts(settled, unchanged=settled)]
        inserted, updated = self._expected(upserted)
        if (len(inserted), len(updated)) != (sent.inserted, sent.updated):
            raise Inseparable
        numbers = [number for number, piece in enumerate(pieces) for _ in piece.rows]
        inserts = Counter(numbers[place] for place in (*loaded, *inserted))
        updates = Counter(numbers[place] for place in updated)
        counts = []
        for number, piece in enumerate(pieces):
            unchanged = len(piece.rows) - inserts[number] - updates[number]
            counts.append(RowCounts(len(piece.rows), inserts[number], updates[number], unchanged))
        return counts

    def _expected(self, upserted: Sequence[int]) -> tuple[list[int], list[int]]:
        """The places of rows that are new, and of those that are newer, where they are upserted one after the other."""
        versions = {self.keys[place]: stored.version for place, stored in self.stored.items()}
        inserted, updated = [], []
        for place in upserted:
            version, before = version_in(self.table, self.rows[place]), versions.get(self.keys[place])
            if before is None:
                inserted.append(place)
            elif before < version:
                updated.append(place)
            else:
                continue
            versions[self.keys[place]] = version
        return inserted, updated

    def _is_settled(self, place: int) -> bool:
        """Whether the row would change nothing: what is stored is newer, or is the row itself."""
        stored = self.stored.get(place)
        if stored is None:
            return False
        sent = version_in(self.table, self.rows[place])
        return stored.version > sent or (stored.version == sent and not self.rewrites)

    def changes(self, now: Mapping[int, Stored], late_before: int) -> Changes:
        """The changes that writing the rows made. Of those that were written again, `now` tells which differed."""
        moment: Any = business_time_of(self.table)
        (at,) = places_of(self.table, moment.name)
        rows = self.rows
        if not self.stored:
            return of_rows(self.table, map(itemgetter(at), rows), late_before)
        changed = [place for place in self.met if place in self.stored and self._has_changed(place, now[place])]
        inserted = [place for place in (*self.new, *self.met) if place not in self.stored]
        periods = {place: rows[place][at] // PERIOD_MICROS for place in (*inserted, *changed)}
        left = Counter(
            (self.stored[place].period, day_of(self.stored[place].period) == day_of(periods[place]))
            for place in changed
        )
        changes = of_periods(self.table, Counter(periods.values()), late_before)
        for (period, is_same_day), count in left.items():
            # On the same date it is one change.
            changes |= of_periods(self.table, {period: count}, NEVER_LATE if is_same_day else late_before)
        return changes

    def _has_changed(self, place: int, now: Stored) -> bool:
        before = self.stored[place]
        return before.version < version_in(self.table, self.rows[place]) or now.loaded_on != before.loaded_on


def _repeated(keys: Sequence[Any]) -> set[Any]:
    """The keys that are there more than once: nearly always none."""
    if len(set(keys)) == len(keys):
        return set()
    return {key for key, count in Counter(keys).items() if count > 1}


def _goes_by_one_version(table: Table) -> bool:
    """Whether a row's version alone decides what becomes of it, and not also a column's, or what other rows claim."""
    return len(guards_of(table)) == 1 and not is_claiming(table)
