"""Commands for the daily work: run, and see how far it is."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import structlog
import typer

from stream import settings as config
from stream.catalog import STREAMS, readable_topics
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.cli.output import Format, FormatOption, show
from stream.cli.process import calm_garbage_collector, stop_on_signals
from stream.engine.options import Ending
from stream.engine.service import live_service
from stream.kafka.source import admin_client
from stream.mysql.connection import connect_engine
from stream.operate.lag import partition_lags

log = structlog.get_logger(__name__)

TopicOption = Annotated[
    list[str] | None,
    typer.Option("--topic", help=f"Only this topic; may be repeated. There are: {', '.join(STREAMS)}."),
]


def run_command(
    topic: TopicOption = None,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="End once what the topics hold now is in MySQL.")
    ] = False,
) -> None:
    """Consume, validate and upsert until SIGTERM or Ctrl-C, which finish what is in flight.

    Run as many processes as you like: they share the partitions. Ends with 0 when drained or caught up, and with 75
    where something was left that another run can finish.

    Examples:

        stream run
        stream run --topic trip --until-caught-up
    """
    with closing(live_service(config.load(), topic or [], is_until_caught_up=until_caught_up)) as service:
        calm_garbage_collector()
        stop_on_signals(service.stop)
        ending = service.run()
    log.info("ended", how=ending.value)
    if ending is Ending.UNFINISHED:
        raise typer.Exit(EXIT_TRY_AGAIN)


def lag_command(topic: TopicOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """How far MySQL is behind Kafka, per partition, from MySQL's own progress.

    lag_seconds is the time since the last record that was applied, where any is left.

    Examples:

        stream lag --topic trip --format csv
    """
    settings = config.load()
    lags = partition_lags(
        admin_client(settings.required_kafka()),
        connect_engine(settings.required_database_url()),
        settings.group_id,
        readable_topics(topic or []),
    )
    show(lags, output_format, empty="the topics have no partitions")
