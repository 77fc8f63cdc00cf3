"""Operators at work while consumers are struck: whatever they type, beside live consumption, changes nothing that is
right."""

from __future__ import annotations

from tests.chaos.group import Group
from tests.chaos.traces import APP_USERS

RECORDS_MAX = 2_000
"""Of a replay: over within seconds."""


def replay_a_part(group: Group) -> None:
    group.command("replay", *_part(group), "--execute")


def rewrite_a_part(group: Group) -> None:
    """Every row is as its event makes it, so nothing is to change."""
    group.command("replay", *_part(group), "--rewrite", "--execute")


def foretell_a_replay(group: Group) -> None:
    group.command("replay", *_part(group), "--dry-run")


def redrive_some(group: Group) -> None:
    """They are rejected again: they are as broken as before."""
    group.command("dead-letters", "redrive", "--max", "50", "--execute")


def migrate_once_more(group: Group) -> None:
    group.command("migrate")


def erase_somebody(group: Group) -> None:
    """A planted person, perhaps one who was erased before."""
    group.command("erase", f"app:{APP_USERS + group.chance.randrange(100)}", "--execute")


def _part(group: Group) -> list[str]:
    """A part of a partition's log that is applied: what is not belongs to the live group's ledger."""
    applied = {where: row["next_offset"] for where, row in group.watch.progress().items() if row["next_offset"] > 1}
    where = group.chance.choice(sorted(applied))
    end = group.chance.randrange(1, applied[where])
    begin = max(0, end - group.chance.randrange(1, RECORDS_MAX))
    bounds = ("--from-offset", str(begin), "--to-offset", str(end))
    return ["--topic", where.topic, "--partition", str(where.partition), *bounds]
