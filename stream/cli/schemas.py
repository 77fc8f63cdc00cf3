"""Commands for the schemas and the registry that producers find them in."""

import typer

from stream import settings as config
from stream.cli.exit_codes import EXIT_FAILED
from stream.cli.options import DryRunOption, TopicsOption
from stream.cli.output import Format, FormatOption, show
from stream.operate.check import check_schema_files, check_schema_registry, records
from stream.schemas.framing import confluent_header
from stream.schemas.registry import Registry
from stream.schemas.store import SchemaStore

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_command(topics: TopicsOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """List the schemas, with the bytes that stand before their data, in hex.

    In Avro's single-object encoding these are C3 01 and a fingerprint. Most libraries write Avro's own; two for Go
    write others for the same schema, which count as well. In Confluent's wire format they are 00 and an id: that of
    `ids.json` is listed, and with a schema registry `stream schemas register --dry-run` lists the registry's.

    Examples:

        stream schemas list --topic trip
        stream schemas list --format json
    """
    store = SchemaStore()
    by_file = {file_name: schema_id for schema_id, file_name in store.ids.items()}
    rows = []
    for version in store.versions.values():
        headers = dict(version.headers)
        if version.file_name in by_file:
            headers["Confluent's, by ids.json"] = confluent_header(by_file[version.file_name])
        if not topics or version.topic in topics:
            rows += [
                {"topic": version.topic, "schema": version.name, "written_by": library, "header": header.hex(" ")}
                for library, header in headers.items()
            ]
    show(rows, output_format, empty="no such topic has a schema")


@app.command("check")
def check_command(output_format: FormatOption = Format.TABLE) -> None:
    """Say whether each newest schema reads all that was written with older ones, and whether the registry has it.

    Without STREAM_SCHEMA_REGISTRY_URL only the files are compared with each other. Ends with 1 where anything is wrong.

    Examples:

        stream schemas check --format json
    """
    settings = config.load()
    findings = list(check_schema_files())
    if settings.registry_url() is not None:
        findings += check_schema_registry(settings.required_registry_url())
    show([finding.as_row() for finding in findings], output_format, empty="there are no schemas")
    if not all(finding.is_right for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@app.command("register")
def register_command(dry_run: DryRunOption = False, output_format: FormatOption = Format.TABLE) -> None:
    """Register every version of every schema, the oldest first, under the subject `<topic>-<record's full name>`.

    Each subject gets the compatibility level BACKWARD_TRANSITIVE. What is registered stays as it is, so doing it again
    changes nothing. Ends with 1 where the registry finds a schema incompatible with those that it has.

    Examples:

        stream schemas register --dry-run
        stream schemas register
    """
    store = SchemaStore()
    with Registry(config.load().required_registry_url()) as registry:
        rows = [
            row
            for topic, record_name in records()
            for row in registry.register(store.versions_of(topic, record_name), is_dry_run=dry_run)
        ]
    show(rows, output_format, empty="there are no schemas")
