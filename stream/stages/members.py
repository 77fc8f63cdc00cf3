"""Statements beside the upsert: about the members of sets, and about what another unique column claims."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Table

from stream.declaration.tables import other_unique_columns
from stream.stages.compact import Row
from stream.stages.values import STORED_VERSION, json_keys, json_type, keys_of, places_of, with_json


def claimants_statement(table: Table, rows: Sequence[Row]) -> bytes:
    """Reads the places of those of these rows that claim the value of another unique column that another row has, each
    with that row's version."""
    (key,) = table.primary_key
    names = [key.name, *other_unique_columns(table)]
    places = places_of(table, *names)
    unpacked = ", ".join(
        f"c{place} {json_type(table.c[name])[0]} PATH '$[{place + 1}]'" for place, name in enumerate(names)
    )
    claims = " OR ".join(
        f"t.`{name}` = {json_type(table.c[name])[1].format(f'j.c{place}')}" for place, name in enumerate(names) if place
    )
    statement = (
        f"SELECT j.place, {', '.join(STORED_VERSION)} "  # noqa: S608
        f"FROM JSON_TABLE(%s, '$[*]' COLUMNS (place INT PATH '$[0]', {unpacked})) j "
        f"JOIN `{table.name}` t ON {claims} WHERE t.`{key.name}` <> j.c0"
    )
    claimed = [(number, *(row[place] for place in places)) for number, row in enumerate(rows)]
    return with_json(statement, msgspec.json.encode(claimed))


def outdated_members_statement(members: Table, parents: Sequence[Row]) -> bytes:
    """Deletes the members of a set that belong to another version of these rows of their parents' table."""
    (reference,) = members.foreign_keys
    key, link = reference.column, reference.parent
    statement = (
        f"DELETE m FROM {json_keys(key)} JOIN `{key.table.name}` p ON p.`{key.name}` = j.k "
        f"JOIN `{members.name}` m ON m.`{link.name}` = p.`{key.name}` "
        "WHERE (m.event_time, m.event_id) <> (p.event_time, p.event_id)"
    )
    return with_json(statement, msgspec.json.encode(keys_of(key.table, parents)))


def members_statement(members: Table, parents: Sequence[Row]) -> bytes:
    """Reads the keys of the members that belong to the very versions of these rows of their parents' table."""
    (reference,) = members.foreign_keys
    key, link = reference.column, reference.parent
    key_columns = ", ".join(f"m.`{column.name}`" for column in members.primary_key)
    statement = (
        f"SELECT {key_columns} FROM JSON_TABLE(%s, '$[*]' COLUMNS (k {json_type(key)[0]} PATH '$[0]', "  # noqa: S608
        "event_id CHAR(32) CHARACTER SET ascii PATH '$[1]')) j "
        f"JOIN `{members.name}` m ON m.`{link.name}` = j.k AND m.event_id = UNHEX(j.event_id)"
    )
    places = places_of(key.table, key.name, "event_id")
    return with_json(statement, msgspec.json.encode(list(map(itemgetter(*places), parents))))


def removed_members_statement(members: Table, keys: Iterable[Sequence[Any]]) -> bytes:
    """Deletes members by their keys."""
    columns = list(enumerate(members.primary_key))
    unpacked = ", ".join(f"k{place} {json_type(column)[0]} PATH '$[{place}]'" for place, column in columns)
    is_its = " AND ".join(f"m.`{column.name}` = j.k{place}" for place, column in columns)
    statement = f"DELETE m FROM JSON_TABLE(%s, '$[*]' COLUMNS ({unpacked})) j JOIN `{members.name}` m ON {is_its}"
    return with_json(statement, msgspec.json.encode(list(keys)))
