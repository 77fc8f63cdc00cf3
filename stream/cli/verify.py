"""The command that proves MySQL by the log."""

from typing import Annotated

import typer

from stream import settings as config
from stream.catalog import readable_topics
from stream.cli.exit_codes import EXIT_FAILED
from stream.cli.output import Format, FormatOption, show
from stream.cli.process import calm_garbage_collector
from stream.cli.progress import shown
from stream.mysql.connection import connect_engine
from stream.replay.verify import FAULTS, verify
from stream.schemas.decoder import opened_decoder


def verify_command(
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="Only the tables of this topic; may be repeated.")
    ] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Prove that the tables are what the log says: read it again into temporary tables, and compare the rows.

    Compares with a snapshot, so `stream run` may go on; changes nothing. Names rows that differ, are missing or too
    many by the coordinates of their event, and counts those whose event has left the log. Ends with 1 where any row
    is not as the log says; `stream replay` brings back what is missing, or older than the log. A row that an erased
    person's event claims as well is counted as several_persons: it went with theirs, and nothing is wrong.

    Examples:

        stream verify
        stream verify --topic trip --format json
    """
    settings = config.load()
    topics = readable_topics(topic or [])
    calm_garbage_collector()
    with opened_decoder(settings, topics) as decoder, shown("read") as tell:
        findings = verify(
            settings.required_kafka(),
            connect_engine(settings.required_database_url()),
            settings.group_id,
            decoder,
            tell,
        )
    show(findings, output_format, empty="the tables are empty, and the log says so too")
    if any(finding.outcome in FAULTS for finding in findings):
        raise typer.Exit(EXIT_FAILED)
