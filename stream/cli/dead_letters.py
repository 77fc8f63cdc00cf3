"""Commands for dead letters: the rejected records, the reasons, and their redrive or disposal."""

import sys
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from stream import moments
from stream import settings as config
from stream.catalog import STREAMS
from stream.cli.moments import moment_option
from stream.cli.options import ROWS_MAX, ExecuteOption
from stream.cli.output import Format, FormatOption, show
from stream.cli.progress import shown
from stream.counts import Reached
from stream.declaration.service_tables import BECAUSE_LENGTH_MAX
from stream.errors import Reason, TerminalError
from stream.kafka.record_reader import RecordReader
from stream.mysql import selection as letters
from stream.mysql.connection import connect_engine, read_connection, translated_errors
from stream.mysql.dead_letters import PERSONAL_COLUMNS, Status, record_of
from stream.mysql.selection import Coordinates, Selection, Waiting
from stream.operate.content import content_of
from stream.operate.dead_letter_topic import DeadLetterTopics
from stream.operate.redrive import Redrive, Redriven
from stream.schemas.decoder import opened_decoder
from stream.settings import Settings

app = typer.Typer(no_args_is_help=True)

HIDDEN = "(hidden: --reveal shows it)"
NOTHING_WAITS = "no dead letter that waits is selected"

TopicOption = Annotated[str | None, typer.Option(help="Only of this topic.")]
ReasonOption = Annotated[
    Reason | None, typer.Option(metavar="REASON", help="Only with this reason; docs/metrics.md lists them.")
]
SinceOption = Annotated[datetime | None, moment_option(help="Only those rejected last at this moment or later.")]
UntilOption = Annotated[datetime | None, moment_option(help="Only those rejected last before this moment.")]
CoordinatesArgument = Annotated[
    list[str] | None, typer.Argument(help="topic/partition/offset, as `list` prints them; may be several.")
]


@app.command("list")
def list_command(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    status: Annotated[Status | None, typer.Option(help="Only with this status.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=ROWS_MAX, help="The most to show.")] = 50,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """The latest rejected records: coordinates, stage, reason and field.

    Never their content, which `show` decodes.

    Examples:

        stream dead-letters list --topic trip --reason out_of_range
        stream dead-letters list --status waiting --since 2026-11-01
    """
    selection = Selection(topic, reason, status, since, until)
    with read_connection(_database(config.load())) as connection:
        listed = letters.find(connection, selection, limit)
    rows = [{"coordinates": _coordinates(row), **_without_coordinates(row)} for row in listed]
    show(rows, output_format, empty="no dead letters")


@app.command("show")
def show_command(
    coordinates: Annotated[str, typer.Argument(help="topic/partition/offset, as `list` prints them.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show every value too; they may be personal.")] = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """One rejected record, decoded as far as it goes, and what would become of it now.

    Values are told by their kind and size, unless --reveal asks for them: then key and value are shown as hex as well.

    Examples:

        stream dead-letters show trip/3/1045
        stream dead-letters show trip/3/1045 --reveal
    """
    settings = config.load()
    (where,) = _parsed([coordinates])
    with read_connection(_database(settings)) as connection:
        letter = letters.get(connection, where)
    if letter is None:
        raise TerminalError(f"no dead letter at {coordinates}: `stream dead-letters list` shows what there is")
    rows = [{"name": name, "value": _shown(name, value, reveal)} for name, value in letter.items()]
    rows += [{"name": name, "value": value} for name, value in _decoded(letter, settings, reveal).items()]
    show(rows, output_format, empty="")


@app.command("redrive")
def redrive_command(
    coordinates: CoordinatesArgument = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="The most to redrive.")] = None,
    execute: ExecuteOption = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Send records that wait through the same line again, once what rejected them is mended; all, or those selected.

    What passes is in the tables and resolved, at once or not at all. What is rejected again stays, with an attempt
    more. It can be repeated, ended at any moment, and run beside consumers: no newer state is overwritten.

    Examples:

        stream dead-letters redrive --topic trip --reason constraint
        stream dead-letters redrive trip/3/1045 --execute
    """
    settings = config.load()
    selection = _selected(coordinates, topic, reason, since, until)
    database = _database(settings)
    waiting = _show_plan(database, selection, output_format, is_shown=not execute)
    topics = sorted({row.topic for row in waiting})
    if not execute or not topics:
        return
    total = min(sum(row.records for row in waiting), most or sys.maxsize)
    with (
        opened_decoder(settings, topics) as decoder,
        closing(RecordReader(settings.required_kafka())) as log,
        shown("redriven") as tell,
    ):
        redrive = Redrive(
            connect_engine(settings.required_database_url(), for_lane=True),
            selection,
            decoder,
            lambda part, offsets: log.read(part.topic_id, part.topic_partition, offsets),
            settings.look_back_days,
        )
        done: dict[str, Redriven] = {}
        for redriven in redrive.run(most):
            done[redriven.topic] = done.get(redriven.topic, Redriven(redriven.topic)) + redriven
            tell(Reached(sum(each.records for each in done.values()), total))
    show(list(done.values()), output_format, empty=NOTHING_WAITS)
    if any(redriven.gone_from_log for redriven in done.values()):
        typer.echo(
            "gone_from_log: only their coordinates were kept, and Kafka no longer has the records; "
            "they can only be discarded",
            err=True,
        )


@app.command("discard")
def discard_command(
    coordinates: CoordinatesArgument = None,
    because: Annotated[
        str, typer.Option(help=f"Why, for those who ask later: at most {BECAUSE_LENGTH_MAX} characters.")
    ] = "",
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    execute: ExecuteOption = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Give up records that wait, for good: nothing is left of them but where they were and why.

    A record that is read and rejected again stays discarded.

    Examples:

        stream dead-letters discard --topic trip --because "load test of 12 May"
        stream dead-letters discard trip/3/1045 --because "rider asked" --execute
    """
    selection = _selected(coordinates, topic, reason, since, until)
    if selection.is_everything:
        raise typer.BadParameter("name coordinates or a filter: everything that waits is not discarded at once")
    if not 1 <= len(because.strip()) <= BECAUSE_LENGTH_MAX:
        raise typer.BadParameter(f"--because wants 1 to {BECAUSE_LENGTH_MAX} characters")
    database = _database(config.load())
    # What is rejected from now on is not in the plan.
    selection = replace(selection, until=selection.until or moments.now())
    _show_plan(database, selection, output_format, is_shown=True)
    if not execute:
        return
    discarded = 0
    while True:
        with translated_errors(), database.begin() as connection:
            some = letters.discard_some(connection, selection, because.strip())
        if not some:
            break
        discarded += some
    typer.echo(f"discarded: {discarded}", err=True)


@app.command("publish")
def publish_command(
    coordinates: CoordinatesArgument = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    again: Annotated[bool, typer.Option("--again", help="Publish those too that were published before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what waits among the selected.")] = False,
    replication_factor: Annotated[int, typer.Option(min=1, help="Copies of a topic that is created.")] = 1,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Copy records that wait to the topic `<topic>.dlq`, with Kafka Connect's headers about errors and ours.

    What was published before is left out. The copies may be personal, and an erasure doesn't reach them: the topic
    keeps them for STREAM_DEAD_LETTER_DAYS. Where only coordinates are kept, so does the copy.

    Examples:

        stream dead-letters publish --topic trip
        stream dead-letters publish --topic trip --again
    """
    settings = config.load()
    selection = _selected(coordinates, topic, reason, since, until)
    database = _database(settings)
    if dry_run:
        _show_plan(database, selection, output_format, is_shown=True)
        return
    copies = DeadLetterTopics(database, settings.required_kafka(), selection, again=again)
    for name in copies.create(replication_factor, settings.dead_letter_days):
        typer.echo(f"created: {name}", err=True)
    done: dict[str, int] = {}
    total = copies.count()
    with shown("published") as tell:
        for name, records in copies.fill():
            done[name] = done.get(name, 0) + records
            tell(Reached(sum(done.values()), total))
    published = [{"topic": name, "records": records} for name, records in done.items()]
    show(published, output_format, empty="nothing new to publish: --again publishes what was published before")


def _database(settings: Settings) -> Engine:
    return connect_engine(settings.required_database_url())


def _parsed(texts: list[str]) -> tuple[Coordinates, ...]:
    try:
        return tuple(Coordinates.parse(text) for text in texts)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _selected(
    coordinates: list[str] | None,
    topic: str | None,
    reason: Reason | None,
    since: datetime | None,
    until: datetime | None,
) -> Selection:
    return Selection(topic, reason, None, since, until, _parsed(coordinates or []))


def _show_plan(database: Engine, selection: Selection, output_format: Format, *, is_shown: bool) -> list[Waiting]:
    """Show the selected dead letters that wait, where a plan is wanted; return those of topics in the catalog."""
    with read_connection(database) as connection:
        waiting = letters.waiting(connection, selection)
    if is_shown or not waiting:
        show(waiting, output_format, empty=NOTHING_WAITS)
    if waiting and is_shown:
        typer.echo("a plan: without --execute nothing is changed", err=True)
    for name in sorted({row.topic for row in waiting} - STREAMS.keys()):
        typer.echo(f"topic {name} is no longer in the catalog: its records can't be redriven", err=True)
    return [row for row in waiting if row.topic in STREAMS]


def _coordinates(row: Any) -> str:
    return f"{row['topic']}/{row['kafka_partition']}/{row['kafka_offset']}"


def _without_coordinates(row: Any) -> dict[str, Any]:
    hidden = ("topic", "kafka_partition", "kafka_offset", "topic_id")
    return {name: value for name, value in row.items() if name not in hidden}


def _shown(name: str, value: Any, is_revealed: bool) -> Any:
    if name not in PERSONAL_COLUMNS or value is None:
        return value
    if not is_revealed:
        return HIDDEN
    return value.hex() if isinstance(value, bytes) else value


def _decoded(row: Any, settings: Settings, is_revealed: bool) -> dict[str, Any]:
    """The record's fields. Empty where its content isn't kept, or the catalog no longer has the topic."""
    record = record_of(row)
    if record is None or row["topic"] not in STREAMS:
        return {}
    with opened_decoder(settings, [row["topic"]]) as decoder:
        content = content_of(record, decoder.readers_for(row["topic"], [record]), is_revealed=is_revealed)
    fields = {f"datum.{name}": value for name, value in content.fields.items()}
    return {"schema": content.schema, **fields, "judgement": content.judgement}
