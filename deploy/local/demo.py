"""`make demo`: real servers, synthetic events with every kind of trouble, and ledgers that balance at the end.

Each command is printed before it is run, so that what is shown can be typed afterwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import Connection, Engine, func, select

from deploy.local import LocalError, start_database, start_kafka
from deploy.local.stack import hash_key
from stream.catalog import STREAMS
from stream.declaration.service_tables import DEAD_LETTER, LEDGER, PROGRESS
from stream.kafka.brokers import Brokers
from stream.mysql.connection import connect_engine, read_connection

FOLDER = Path(".local/demo")
EVENTS = 150_000
TROUBLE = (
    "--duplicates",
    "0.05",
    "--late",
    "0.05",
    "--broken",
    "0.01",
    "--older-versions",
    "0.1",
    "--framing",
    "mixed",
)
LOOK_SECONDS = 0.25

console = Console(highlight=False)


def main() -> None:
    """Run the demo; end with 1 where a server can't be had or a ledger doesn't balance."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with servers() as environment:
            is_balanced = show_all(environment)
    except LocalError as error:
        sys.exit(f"demo: {error}")
    console.print('\n[bold]Everything is stopped again.[/] To play on: eval "$(make -s stack)", then stream --help.')
    sys.exit(0 if is_balanced else 1)


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """A Kafka and a database of our own, and the settings that lead to them."""
    say("Starting a Kafka and a database (the first time they are fetched, which takes a minute or two)")
    with start_kafka(FOLDER / "kafka") as kafka, start_database(FOLDER / "database") as database:
        console.print(f"{kafka.name} {kafka.version} and {database.name} {database.version} are ready")
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("STREAM_")},
            "STREAM_DATABASE_URL": database.create_database("stream"),
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "STREAM_HASH_KEY": hash_key(FOLDER),
            "STREAM_HTTP_PORT": "0",
            "STREAM_LOG_FORMAT": "console",
        }


def show_all(environment: dict[str, str]) -> bool:
    """Show the whole life of some events; return whether the ledgers balance."""
    engine = connect_engine(environment["STREAM_DATABASE_URL"])
    say("Tables and topics")
    run(["migrate"], environment)
    run(["topics", "create"], environment)
    say("Riders, passes and trips, some told twice, some late, some broken")
    run(["produce", "--count", str(EVENTS), *TROUBLE], environment)
    say("Drain it")
    drain(environment, engine)
    say("What was rejected, and why")
    run(["dead-letters", "list", "--limit", "5"], environment)
    with read_connection(engine) as connection:
        show_reasons(connection)
        say("What is in the tables")
        show_tables(connection)
        say("What analysts read")
        run(["report", "trips-modes"], environment)
        run(["freshness"], environment)
        run(["report", "html", str(FOLDER / "reports.html")], environment)
        say("The ledgers")
        return show_ledgers(connection)


def say(what: str) -> None:
    console.print(f"\n[bold cyan]{what}[/]")


def run(arguments: Sequence[str], environment: dict[str, str]) -> None:
    """Print a command and run it; a failure ends the demo."""
    console.print(f"[green]$ stream {' '.join(arguments)}[/]", soft_wrap=True)
    subprocess.run([sys.executable, "-m", "stream", *arguments], env=environment, check=True)  # noqa: S603


def drain(environment: dict[str, str], engine: Engine) -> None:
    """Run the service until it has caught up, and watch MySQL's progress meanwhile."""
    console.print("[green]$ stream run --until-caught-up[/]")
    kafka = {"bootstrap.servers": environment["STREAM_KAFKA_BOOTSTRAP_SERVERS"]}
    total = sum(Brokers(kafka).end_offsets(STREAMS).values())
    command = [sys.executable, "-m", "stream", "run", "--until-caught-up"]
    columns = (
        TextColumn("applied"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    started = None
    with Progress(*columns, console=console) as view, subprocess.Popen(command, env=environment) as service:  # noqa: S603
        task = view.add_task("applied", total=total, rate="")
        while service.poll() is None:
            time.sleep(LOOK_SECONDS)
            applied = _applied(engine)
            started = started or (time.monotonic() if applied else None)
            rate = applied / (time.monotonic() - started + LOOK_SECONDS) if started else 0.0
            view.update(task, completed=applied, rate=f"{rate:,.0f} records/s")
        view.update(task, completed=_applied(engine))
    if service.returncode != 0:
        sys.exit(f"demo: stream run ended with {service.returncode}")


def _applied(engine: Engine) -> int:
    with read_connection(engine) as connection:
        return int(connection.execute(select(func.sum(PROGRESS.c.records_consumed))).scalar() or 0)


def show_reasons(connection: Connection) -> None:
    reasons = select(DEAD_LETTER.c.stage, DEAD_LETTER.c.reason, func.count().label("records"))
    show(connection.execute(reasons.group_by("stage", "reason").order_by("stage", "reason")).mappings().all())


def show_tables(connection: Connection) -> None:
    tables = [table for stream in STREAMS.values() for table in stream.tables]
    show(
        [
            {"table": table.name, "rows": connection.execute(select(func.count()).select_from(table)).scalar()}
            for table in tables
        ]
    )


def show_ledgers(connection: Connection) -> bool:
    """Print both ledgers, by topic and by table; return whether each line balances."""
    records = _sums(connection, PROGRESS, "topic", "records_")
    rows = _sums(connection, LEDGER, "table_name", "rows_")
    for line in records:
        parts = line["written"] + line["superseded"] + line["dead_lettered"]
        line["balances"] = "yes" if line["consumed"] == parts else "NO"
    for line in rows:
        parts = line["inserted"] + line["updated"] + line["unchanged"] + line["suppressed"]
        line["balances"] = "yes" if line["sent"] == parts else "NO"
    console.print("records consumed = written + superseded + dead-lettered")
    show(records)
    console.print("\nrows sent = inserted + updated + unchanged + suppressed")
    show(rows)
    return all(line["balances"] == "yes" for line in [*records, *rows])


def _sums(connection: Connection, table: Any, by: str, prefix: str) -> list[dict[str, Any]]:
    counts = [column for column in table.columns if column.name.startswith(prefix)]
    query = select(table.c[by], *(func.sum(count).label(count.name.removeprefix(prefix)) for count in counts))
    return [
        {name: value if name == by else int(value) for name, value in row.items()}
        for row in connection.execute(query.group_by(table.c[by]).order_by(table.c[by])).mappings()
    ]


def show(rows: Sequence[Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int) else "left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    console.print(table)


if __name__ == "__main__":
    main()
