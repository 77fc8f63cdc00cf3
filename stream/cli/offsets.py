"""Commands for the offsets of partitions: where they stand, and where they go on."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from stream import settings as config
from stream.catalog import STREAMS, readable_topics
from stream.cli.moments import moment_option
from stream.cli.options import OFFSET_MAX, ExecuteOption, TopicsOption
from stream.cli.output import Format, FormatOption, show
from stream.errors import KafkaUnavailable
from stream.kafka import groups
from stream.kafka.brokers import Brokers
from stream.mysql.connection import connect_engine, read_connection
from stream.operate.offsets import Target, accept, acceptances, partition_offsets, plan_reset, require_inactive, reset
from stream.operate.standing import Places, look
from stream.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command("show")
def show_command(topic: TopicsOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """Show where each partition stands: MySQL's progress, which counts, and the offset that Kafka was told.

    The state is held (a member of the group has it), free, no_leader (nobody knows where it begins and ends), or why it
    stops until `stream offsets accept`.

    Examples:

        stream offsets show --topic trip
    """
    settings = config.load()
    brokers = Brokers(settings.required_kafka())
    places = _places(settings, brokers, readable_topics(topic or []))
    show(partition_offsets(brokers, settings.group_id, places), output_format, empty="the topics have no partitions")


@app.command("reset")
def reset_command(
    topic: TopicsOption = None,
    partition: Annotated[list[int] | None, typer.Option(help="Only this partition; may be repeated.")] = None,
    all_topics: Annotated[bool, typer.Option("--all-topics", help="Of every topic of the catalog.")] = False,
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="To the first record that is kept.")] = False,
    to_latest: Annotated[bool, typer.Option("--to-latest", help="To the end: what lies before is skipped.")] = False,
    to_offset: Annotated[int | None, typer.Option(min=0, max=OFFSET_MAX, help="To this offset.")] = None,
    to_datetime: Annotated[datetime | None, moment_option(help="To the first record of this moment.")] = None,
    shift_by: Annotated[int | None, typer.Option(help="By so many offsets, back where it is negative.")] = None,
    execute: ExecuteOption = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Have partitions go on elsewhere, while no `stream run` of the group runs.

    What is read again changes no row; what is skipped is never applied. Table offset_reset keeps what was moved.

    Examples:

        stream offsets reset --topic trip --to-datetime 2026-11-01T06:00:00
        stream offsets reset --topic trip --partition 3 --shift-by -1000 --execute
    """
    if bool(topic) == all_topics:
        raise typer.BadParameter("name either --topic or --all-topics")
    target = Target(to_earliest, to_latest, to_offset, to_datetime, shift_by)
    if not target.is_one:
        raise typer.BadParameter("name one of --to-earliest, --to-latest, --to-offset, --to-datetime and --shift-by")
    settings = config.load()
    brokers = Brokers(settings.required_kafka())
    topics = readable_topics(topic or [])
    require_inactive(brokers, settings.group_id)
    resets = plan_reset(brokers, _places(settings, brokers, topics), partition or (), target)
    hidden = ("topic_id", "epoch")
    rows = [{name: value for name, value in asdict(move).items() if name not in hidden} for move in resets]
    show(rows, output_format, empty="nothing to reset: every partition stands there")
    if resets and execute:
        reset(connect_engine(settings.required_database_url()), settings.group_id, resets)
        typer.echo(f"reset: {len(resets)} partition(s)", err=True)
        try:
            groups.commit(brokers, settings.group_id, {move.topic_partition: move.to_offset for move in resets})
        except KafkaUnavailable as error:
            typer.echo(f"{error}: it is told when `stream run` goes on; MySQL's progress is what counts", err=True)
    elif resets:
        typer.echo("nothing was changed: --execute does it", err=True)


@app.command("accept")
def accept_command(
    partition: Annotated[
        list[str] | None, typer.Argument(help="topic/partition, as in trip/3; without one, all that are stopped.")
    ] = None,
    execute: ExecuteOption = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Let partitions go on whose log changed under them: retention overtook us, or the topic was made anew.

    They go on where the log begins; what is read again changes nothing. A running service notices within seconds.

    Examples:

        stream offsets accept
        stream offsets accept trip/3 --execute
    """
    settings = config.load()
    places = _places(settings, Brokers(settings.required_kafka()), STREAMS)
    for leaderless in places.leaderless:
        typer.echo(f"{leaderless} has no leader: nobody knows whether its progress fits its log", err=True)
    stopped = acceptances(places.known)
    if partition:
        unknown = set(partition) - {str(acceptance.partition) for acceptance in stopped}
        if unknown:
            raise typer.BadParameter(f"not stopped: {', '.join(sorted(unknown))}")
        stopped = [acceptance for acceptance in stopped if str(acceptance.partition) in partition]
    rows = [
        {**asdict(acceptance), "partition": str(acceptance.partition), "reason": acceptance.reason.value}
        for acceptance in stopped
    ]
    show(rows, output_format, empty="nothing to accept: every partition's progress fits its log")
    if stopped and execute:
        accept(connect_engine(settings.required_database_url()), settings.group_id, stopped)
        typer.echo(f"accepted: {len(stopped)} partition(s) go on", err=True)
    elif stopped:
        typer.echo("nothing was changed: --execute does it", err=True)


def _places(settings: Settings, brokers: Brokers, topics: Collection[str]) -> Places:
    with read_connection(connect_engine(settings.required_database_url())) as connection:
        return look(brokers, connection, settings.group_id, topics)
