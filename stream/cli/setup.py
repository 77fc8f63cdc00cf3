"""Commands that bring about what the service needs, and say whether it is there."""

from typing import Annotated

import typer

from stream import settings as config
from stream.catalog import STREAMS
from stream.cli.exit_codes import EXIT_FAILED
from stream.cli.options import DryRunOption
from stream.cli.output import Format, FormatOption, show
from stream.kafka import topics
from stream.kafka.brokers import Brokers
from stream.mysql import migrate, views
from stream.mysql.connection import connect_engine, read_connection, translated_errors
from stream.operate.check import check
from stream.reports import VIEWS

topics_app = typer.Typer(no_args_is_help=True)


def migrate_command(dry_run: DryRunOption = False) -> None:
    """Create or change the tables and views so that they are as declared.

    Doing it again changes nothing.

    Examples:

        stream migrate --dry-run
        stream migrate
    """
    engine = connect_engine(config.load().required_database_url())
    with read_connection(engine) as connection:
        todo = migrate.pending(connection)
        todo += [f"view {name} ({why})" for name, why in views.differences(connection, VIEWS).items()]
    if not todo:
        typer.echo("nothing to do: all migrations are run, and all views are as declared")
    elif dry_run:
        with translated_errors():
            typer.echo(migrate.upgrade_sql(engine, VIEWS))
    else:
        with translated_errors():
            migrate.upgrade(engine, VIEWS)
        for line in todo:
            typer.echo(f"done: {line}")


@topics_app.command("create")
def create_command(
    dry_run: DryRunOption = False,
    replication_factor: Annotated[
        int, typer.Option(min=1, help="Copies of each partition; 3 is usual where there are three brokers.")
    ] = 1,
) -> None:
    """Create the declared topics that are missing.

    Those that exist are left as they are.

    Examples:

        stream topics create --dry-run
        stream topics create
    """
    brokers = Brokers(config.load().required_kafka())
    if dry_run:
        differing = topics.differences(brokers, STREAMS.values())
        missing = [difference.topic for difference in differing if difference.subject == "missing"]
    else:
        differing = []
        missing = topics.create(brokers, STREAMS.values(), replication_factor)
    for topic in missing:
        typer.echo(f"{'would create' if dry_run else 'created'}: {topic} ({STREAMS[topic].partitions} partitions)")
    if not missing:
        typer.echo("nothing to do: all topics exist")
    for difference in differing:
        if difference.subject != "missing":
            subject = f"{difference.topic} {difference.subject}"
            typer.echo(f"differs: {subject} is {difference.actual}, declared {difference.declared}")


def check_command(output_format: FormatOption = Format.TABLE) -> None:
    """Compare schemas, catalog, tables, topics, schema registry and server settings, and say what differs.

    Ends with 1 where anything does.

    Examples:

        stream check --format json
    """
    findings = check(config.load())
    show([finding.as_row() for finding in findings], output_format, empty="nothing was compared")
    if not all(finding.is_right for finding in findings):
        raise typer.Exit(EXIT_FAILED)
