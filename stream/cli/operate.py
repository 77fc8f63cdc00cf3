"""Commands for the daily work: run, and see the lag."""

from contextlib import closing
from typing import Annotated

import structlog
import typer

from stream import settings as config
from stream.catalog import readable_topics
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.cli.options import TopicsOption
from stream.cli.output import Format, FormatOption, show
from stream.cli.process import calm_garbage_collector, stop_on_signals
from stream.engine.options import Ending
from stream.engine.service import live_service
from stream.kafka.brokers import Brokers
from stream.mysql.connection import connect_engine, read_connection
from stream.operate.standing import lags

log = structlog.get_logger(__name__)


def run_command(
    topic: TopicsOption = None,
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


def lag_command(topic: TopicsOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """Say how far MySQL is behind Kafka, per partition, from MySQL's own progress.

    lag_records counts what is in the log and not in the tables, records behind an open transaction too. lag_seconds is
    the time since the moment through which the partition is complete, where any record is left. The metrics tell the
    same. Where a partition has no leader, nobody knows its end, and these are empty.

    Examples:

        stream lag --topic trip --format csv
    """
    settings = config.load()
    topics, brokers = readable_topics(topic or []), Brokers(settings.required_kafka())
    with read_connection(connect_engine(settings.required_database_url())) as connection:
        rows = lags(brokers, connection, settings.group_id, topics)
    show(rows, output_format, empty="the topics have no partitions")
