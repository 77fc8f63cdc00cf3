"""Contender (a): preformatted `LOAD DATA`, the most that the server takes.

The files are written before the clock starts and read by the server itself (INFILE), so that the client does
nothing. They hold the rows that `stream` would write, in the log's order; each file is one transaction.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import Engine, Table, create_engine
from sqlalchemy.dialects import mysql

from bench.ground import DATABASE_NAME, Ground
from bench.origins import Origin, row_columns, row_values, topic_origins
from bench.run import Observation, Run
from bench.workload import Tell, Workload
from stream import moments
from stream.declaration.routes import Feed

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\0": "\\0"})
BYTE_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\0": b"\\0"}


@dataclass(frozen=True)
class RowFile:
    """Preformatted rows of one table."""

    path: Path
    table: Table
    columns: tuple[str, ...]
    records: int
    """Records that its rows are of, duplicates among them: these are left out, or two connections lock each other."""


def write_files(ground: Ground, workload: Workload, tell: Tell) -> list[RowFile]:
    """Format all rows of the workload, as files that the server may read."""
    files: list[RowFile] = []
    written: set[str] = set()
    for origins in topic_origins(ground, workload):
        by_event = {origin.event.event_id: origin for origin in origins}
        fresh = [origin for event_id, origin in by_event.items() if event_id not in written]
        written |= by_event.keys()
        for feed in workload.route.feeds:
            path = ground.database.files / f"{feed.table.name}-{len(files)}.tsv"
            columns = _write_file(path, feed, fresh)
            files.append(RowFile(path, feed.table, columns, len(origins)))
        tell(sum(file.records for file in files) // len(workload.tables))
    return files


def load(
    contender: str, ground: Ground, workload: Workload, files: Sequence[RowFile], connections: int, tell: Tell
) -> Run:
    """Load the files into fresh tables, shared out among so many connections."""
    ground.fresh_database()
    engine = create_engine(ground.database.admin_url(DATABASE_NAME))  # the ordinary account may not read files
    observation = Observation(contender, ground, workload, [os.getpid()])
    run = observation.follow(_loaded_records(engine, files, connections), tell)
    run.memory_peak, run.memory_quarters = 0, []  # our own says nothing
    return run


def _write_file(path: Path, feed: Feed, origins: Sequence[Origin]) -> tuple[str, ...]:
    """The columns that the file's lines have."""
    columns = row_columns(feed)
    formats = [_format_of(feed.table, name) for name in columns]
    with path.open("wb") as file:
        for origin in origins:
            values = zip(formats, row_values(feed, origin), strict=True)
            file.write(b"\t".join(b"\\N" if value is None else of(value) for of, value in values) + b"\n")
    return columns


def _format_of(table: Table, column_name: str) -> Callable[[Any], bytes]:
    """The format in which LOAD DATA takes a column's values."""
    kind = table.c[column_name].type
    if isinstance(kind, mysql.DATETIME):
        return _moment
    if isinstance(kind, mysql.BINARY):
        return _escaped_bytes
    return lambda value: str(value).translate(ESCAPES).encode()


def _moment(micros: int) -> bytes:
    return moments.from_micros(micros).strftime("%Y-%m-%d %H:%M:%S.%f").encode()


def _escaped_bytes(digits: str) -> bytes:
    raw = bytes.fromhex(digits)
    for plain, escaped in BYTE_ESCAPES.items():
        raw = raw.replace(plain, escaped)
    return raw


def _loaded_records(engine: Engine, files: Sequence[RowFile], connections: int) -> Iterator[int]:
    """The number of records in the database: none when all are connected and the clock starts, then after each file."""
    todo: queue.SimpleQueue[RowFile] = queue.SimpleQueue()
    done: queue.SimpleQueue[int | Exception] = queue.SimpleQueue()
    opened = [_connected(engine) for _ in range(connections)]
    for file in files:
        todo.put(file)
    tables, records = len({file.table.name for file in files}), 0
    yield records
    for connection in opened:
        threading.Thread(target=_work, args=(connection, todo, done), daemon=True).start()
    for _ in files:
        outcome = done.get()
        if isinstance(outcome, Exception):
            raise outcome
        records += outcome
        yield records // tables


def _connected(engine: Engine) -> Any:
    connection: Any = engine.raw_connection()  # typed without `with` for cursors
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection


def _work(connection: Any, todo: queue.SimpleQueue[RowFile], done: queue.SimpleQueue[int | Exception]) -> None:
    """Load one file after another until none is left."""
    with connection.cursor() as cursor:
        while True:
            try:
                file = todo.get_nowait()
            except queue.Empty:
                connection.close()
                return
            try:
                cursor.execute(_statement(file))
                connection.commit()
            except pymysql.MySQLError as error:
                done.put(error)
                return
            done.put(file.records)


def _statement(file: RowFile) -> str:
    """The LOAD DATA statement of a file. Bytes are taken as they are; only the version's 16 bytes are no text."""
    columns = ", ".join(f"`{name}`" for name in file.columns)
    return f"LOAD DATA INFILE '{file.path}' INTO TABLE `{file.table.name}` CHARACTER SET binary ({columns})"
