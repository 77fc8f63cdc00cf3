"""The list of commands. Each is imported once it is asked for, so that a short one doesn't wait for the others."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Entry(NamedTuple):
    """A command, or a group of commands, as the list shows it."""

    module: str
    """The module in this folder."""
    attribute: str
    """The command's function in the module, or the group's typer."""
    summary: str
    """The first paragraph of a command's docstring; a group has no text but this."""


COMMANDS = {
    "migrate": Entry("setup", "migrate_command", "Create or change the tables and views so that they are as declared."),
    "check": Entry(
        "setup",
        "check_command",
        "Compare schemas, catalog, tables, topics, schema registry and server settings, and say what differs.",
    ),
    "run": Entry(
        "operate",
        "run_command",
        "Consume, validate and upsert until SIGTERM or Ctrl-C, which finish what is in flight.",
    ),
    "lag": Entry(
        "operate", "lag_command", "Say how far MySQL is behind Kafka, per partition, from MySQL's own progress."
    ),
    "freshness": Entry(
        "freshness",
        "freshness_command",
        "Say through which moment each table holds all that its topic does; the view `freshness` says the same.",
    ),
    "late-changes": Entry(
        "freshness",
        "late_changes_command",
        "List the data sets that want a wider refresh, once: dates changed that their look-back window had passed.",
    ),
    "replay": Entry(
        "replay",
        "replay_command",
        "Read a part of the log again, into the same tables: to fill a gap, or after a rule was mended that had "
        "rejected records.",
    ),
    "verify": Entry(
        "verify",
        "verify_command",
        "Prove that the tables are what the log says: read it again into temporary tables, and compare the rows.",
    ),
    "produce": Entry(
        "produce",
        "produce_command",
        "Publish synthetic events: riders with passes, trips and ratings on the same days.",
    ),
    "quality": Entry(
        "quality",
        "quality_command",
        "Look for what is wrong with the rows themselves: balances, references, repetitions, places and times.",
    ),
    "grants": Entry(
        "grants",
        "grants_command",
        "Print the GRANT statements that give an account what its purpose needs, and no more.",
    ),
    "erase": Entry(
        "erase",
        "erase_command",
        "Forget a person for good: whatever comes later, nothing personal of theirs is stored again.",
    ),
    "topics": Entry("setup", "topics_app", "Kafka's topics, as the catalog declares them."),
    "schemas": Entry("schemas", "app", "Avro schemas, in schemas/ and in the schema registry."),
    "dead-letters": Entry("dead_letters", "app", "Records that were rejected: each kept once, with why."),
    "offsets": Entry("offsets", "app", "Offsets of partitions: where they stand, and where they go on."),
    "report": Entry("report", "app", "Analysts' questions, answered from MySQL; docs/reports.md explains all."),
}


class Commands(TyperGroup):
    """The group of all commands. Its help is made of their summaries, and imports none of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.summary))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return imported(cmd_name) if cmd_name in COMMANDS else super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        overview = TyperGroup(
            name=self.name,
            commands=dict(self.commands),
            help=self.help,
            params=self.params,
            rich_markup_mode=self.rich_markup_mode,
        )
        overview.format_help(ctx, formatter)


def imported(name: str) -> Any:
    """The command of that name, from its module."""
    entry = COMMANDS[name]
    command = getattr(import_module(f"stream.cli.{entry.module}"), entry.attribute)
    # typer makes commands only of what is in a group.
    group = typer.Typer(rich_markup_mode="markdown")
    if isinstance(command, typer.Typer):
        group.add_typer(command, name=name, help=entry.summary)
    else:
        group.command(name)(command)
    return get_group(group).commands[name]
