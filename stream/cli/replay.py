"""The command that reads a part of the log again."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from stream import settings as config
from stream.catalog import readable_topics
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.cli.moments import moment_option
from stream.cli.options import OFFSET_MAX, PARTITION_MAX, ExecuteOption
from stream.cli.output import Format, FormatOption, show
from stream.cli.process import calm_garbage_collector, stop_on_signals
from stream.cli.progress import shown
from stream.errors import TransientError
from stream.kafka.brokers import Brokers
from stream.kafka.ranges import Wanted, plan
from stream.mysql import replay_runs as runs
from stream.mysql.connection import connect_engine
from stream.mysql.replay_runs import Run
from stream.records import Range
from stream.replay.preview import preview
from stream.replay.replay import Replay, begin_run, resume_run
from stream.schemas.decoder import opened_decoder
from stream.settings import Settings


def replay_command(
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Read this topic again; may be repeated.")] = None,
    partition: Annotated[
        list[int] | None,
        typer.Option("--partition", min=0, max=PARTITION_MAX, help="Only this partition; may be repeated."),
    ] = None,
    from_offset: Annotated[
        int | None, typer.Option(min=0, max=OFFSET_MAX, help="Begin here; asks for one --partition.")
    ] = None,
    to_offset: Annotated[
        int | None, typer.Option(min=0, max=OFFSET_MAX, help="End before this offset; asks for one --partition.")
    ] = None,
    from_time: Annotated[
        datetime | None, moment_option(help="Begin with the first record of this Kafka timestamp.")
    ] = None,
    to_time: Annotated[
        datetime | None, moment_option(help="End before the first record of this Kafka timestamp.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of the records; only read.")
    ] = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Let an event change the row that it wrote before as well.")
    ] = False,
    execute: ExecuteOption = False,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a run that was interrupted.")] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Read a part of the log again, into the same tables: to fill a gap, or after a rule was mended that
    had rejected records.

    Safe beside `stream run`: an event changes no row of the same version or a newer one. With --rewrite it changes the
    row of its own version too, where it makes another one now: after a column was added, a rule was mended, or a row
    was changed by hand. It waits while the live group falls behind. The end of the part is fixed when the plan is made.
    SIGTERM and Ctrl-C finish what is in flight and end with 75; --resume goes on, also after a crash.

    Examples:

        stream replay --topic trip
        stream replay --topic trip --from-time 2026-03-01T06:00:00+02:00 --dry-run
        stream replay --topic trip --partition 3 --to-offset 100 --execute
        stream replay --topic trip --rewrite --dry-run
    """
    settings = config.load()
    if resume is not None:
        if topic or partition or execute or dry_run or rewrite:
            raise typer.BadParameter("a run that is resumed keeps its plan: nothing goes with --resume but --format")
        _run(settings, resume_run(settings, resume), output_format)
        return
    ranges = plan(
        Brokers(settings.required_kafka()), _wanted(topic, partition, (from_offset, to_offset), (from_time, to_time))
    )
    if not ranges:
        show([], output_format, empty="nothing to replay: the log holds no such records")
    elif execute:
        _run(settings, begin_run(settings, ranges, rewrites=rewrite), output_format)
    elif dry_run:
        show(_preview(settings, ranges, rewrites=rewrite), output_format, empty="")
        typer.echo("nothing was changed: --execute does it", err=True)
    else:
        show([{**asdict(part), "records_max": part.records_max} for part in ranges], output_format, empty="")
        typer.echo("nothing was changed: --dry-run tells what would, --execute does it", err=True)


def _wanted(
    topics: list[str] | None,
    partitions: list[int] | None,
    offsets: tuple[int | None, int | None],
    times: tuple[datetime | None, datetime | None],
) -> Wanted:
    """The wanted part of the log. Raises BadParameter for bounds that don't go together."""
    if not topics:
        raise typer.BadParameter("say which topic to read again, or which run to --resume", param_hint="--topic")
    has_offsets = offsets != (None, None)
    if has_offsets and (len(topics) != 1 or len(partitions or ()) != 1):
        raise typer.BadParameter("an offset means something in one --partition of one --topic only")
    if has_offsets and times != (None, None):
        raise typer.BadParameter("offsets and times don't go together: choose either")
    return Wanted(readable_topics(topics), tuple(partitions or ()), *offsets, *times)


def _preview(settings: Settings, ranges: Sequence[Range], *, rewrites: bool) -> list[runs.Effect]:
    calm_garbage_collector()
    topics = {part.topic for part in ranges}
    with opened_decoder(settings, topics) as decoder, shown("replayed") as tell:
        database = connect_engine(settings.required_database_url())
        return preview(settings.required_kafka(), database, ranges, decoder, tell, rewrites=rewrites)


def _run(settings: Settings, run: Run, output_format: Format) -> None:
    again = f"stream replay --resume {run.run_id}"
    typer.echo(f"replay {run.run_id}: if anything interrupts it, `{again}` goes on", err=True)
    try:
        with shown("replayed") as tell, closing(Replay(settings, run)) as replay:
            calm_garbage_collector()
            stop_on_signals(replay.stop)
            is_done = replay.run(tell)
    except TransientError:
        typer.echo(f"interrupted: go on with `{again}`", err=True)
        raise
    if is_done:
        show(runs.effects(connect_engine(settings.required_database_url()), run), output_format, empty="")
        return
    typer.echo(f"not done yet: go on with `{again}`", err=True)
    raise typer.Exit(EXIT_TRY_AGAIN)
