"""The parts of docs/events.md that follow from the catalog: the topics, and what an erasure does to their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docs.dictionary import erasing
from stream.catalog import STREAMS, Stream
from stream.declaration.streams import persons_of
from stream.paths import SCHEMAS_FOLDER

PAGE = Path(__file__).resolve().parent / "events.md"
PART = re.compile(r"(<!-- (?P<name>\w+): written by `make docs` -->\n).*?(<!-- end of (?P=name) -->\n)", re.DOTALL)


def events() -> str:
    """The page with its written parts as the catalog has them, and the rest as it stands."""
    parts = {"topics": topics, "erasing": erasures}
    return PART.sub(lambda part: part[1] + "\n".join(parts[part["name"]]()) + "\n" + part[3], PAGE.read_text("utf-8"))


def topics() -> Iterator[str]:
    """Each topic with its events and tables."""
    yield "| topic | events | tables |"
    yield "|---|---|---|"
    for stream in STREAMS.values():
        records = ", ".join(f"`{route.record_name}`" for route in stream.bound_routes)
        tables = ", ".join(f"`{table.name}`" for table in stream.tables)
        link = f"[{stream.topic}](../schemas/{stream.topic}/README.md)"
        yield f"| {link}: {_subject(stream)} | {records} | {tables} |"


def erasures() -> Iterator[str]:
    """Each table about persons, and what the erasure of each of them does to its rows."""
    yield "| table | what an erasure does |"
    yield "|---|---|"
    for stream in STREAMS.values():
        for table in stream.tables:
            yield from (f"| `{table.name}` | {erasing(person)} |" for person in persons_of(table))
    keyed = [f"`{stream.topic}`" for stream in STREAMS.values() if stream.keyed_by or stream.has_tombstones]
    yield (
        f"| `dead_letter` | Erasing the person whom the key of a record of {', '.join(keyed)} names "
        "empties key, value and headers; coordinates and reason stay |"
    )


def _subject(stream: Stream) -> str:
    """The subject of a topic, as the heading of its page says it behind the topic's name."""
    heading, _, _ = (SCHEMAS_FOLDER / stream.topic / "README.md").read_text("utf-8").partition("\n")
    return heading.removeprefix(f"# {stream.topic}: ")
