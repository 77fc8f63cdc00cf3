"""The command that publishes synthetic events, with as much trouble among them as is asked for."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream import settings as config
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.cli.moments import moment_option
from stream.cli.output import Format, FormatOption, show
from stream.produce import Deliveries, Framing, Plan, publish, synthesize
from stream.schemas.registry import Registry
from stream.schemas.store import SchemaStore


def produce_command(
    count: Annotated[int | None, typer.Option(min=1, help="How many messages, of all kinds together.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after this time.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="The most messages a second; without it as fast as it goes.")
    ] = None,
    duplicates: Annotated[
        float, typer.Option(help="Share of messages that repeat an earlier one, byte for byte.")
    ] = 0.0,
    late: Annotated[float, typer.Option(help="Share of messages that tell an older state after a newer one.")] = 0.0,
    broken: Annotated[
        float, typer.Option(help="Share of messages that are unfit; their headers name the reason to expect.")
    ] = 0.0,
    older_versions: Annotated[
        float, typer.Option(help="Of events whose schema has older versions, the share written with one.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed, with the same other options, gives the same messages.")] = 1,
    until: Annotated[
        datetime | None, moment_option(help="Nothing sound occurred after this moment; without it, after now.")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic; may be repeated.")] = None,
    record: Annotated[
        list[str] | None, typer.Option(help="Only this record, such as TripRated; may be repeated.")
    ] = None,
    framing: Annotated[
        Framing,
        typer.Option(
            help="What stands before each datum; ids are those of the schema registry where one is configured."
        ),
    ] = Framing.SINGLE_OBJECT,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Publish synthetic events: riders with passes, trips and ratings on the same days.

    Without --count and --seconds it publishes 10,000.

    Examples:

        stream produce --count 1000 --duplicates 0.05 --late 0.05 --broken 0.1
        stream produce --topic trip --rate 200 --seconds 2
    """
    settings = config.load()
    kafka = settings.required_kafka()
    plan = Plan(
        seed=seed,
        until=datetime.now(UTC) if until is None else until.replace(tzinfo=UTC),
        count=count if count or seconds else 10_000,
        topics=tuple(topic or ()),
        records=tuple(record or ()),
        duplicate_share=duplicates,
        late_share=late,
        broken_share=broken,
        older_version_share=older_versions,
        framing=framing,
    )
    store = _store(settings.registry_url() if framing is not Framing.SINGLE_OBJECT else None)
    published = _publish(plan, store, kafka, rate, seconds)
    rows = [{"what": kind.value, "messages": number} for kind, number in sorted(published.sent.items())]
    rows += [{"what": f"not delivered: {name}", "messages": number} for name, number in published.failed.items()]
    rows += [{"what": "delivered a second", "messages": round(published.delivered_count / published.seconds)}]
    show(rows, output_format, empty="nothing was published")
    if published.delivered_count < published.sent_count:
        raise typer.Exit(EXIT_TRY_AGAIN)


def _store(registry_url: str | None) -> SchemaStore:
    """The schemas, with the registry's ids where there is a registry."""
    if registry_url is None:
        return SchemaStore()
    with Registry(registry_url) as registry:
        return SchemaStore(ids=registry.ids(SchemaStore().versions.values()))


def _publish(
    plan: Plan, store: SchemaStore, kafka: Mapping[str, str], rate: float | None, seconds: float | None
) -> Deliveries:
    columns = (TextColumn("published"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("published", total=plan.count)
        return publish(
            synthesize(plan, store),
            kafka,
            rate=rate,
            seconds_max=seconds,
            progress=lambda sent: progress.update(task, completed=sent),
        )
