"""Options that several commands have."""

from typing import Annotated

import typer

from stream.catalog import STREAMS

PARTITION_MAX, OFFSET_MAX = 2**31 - 1, 2**63 - 1
"""The greatest numbers in Kafka's protocol, which MySQL can hold as well."""

ROWS_MAX = 1_000_000
"""The most rows of an answer, for it is held in memory."""

TopicsOption = Annotated[
    list[str] | None,
    typer.Option("--topic", help=f"Only this topic; may be repeated. There are: {', '.join(STREAMS)}."),
]
ExecuteOption = Annotated[bool, typer.Option("--execute", help="Do it; without this the plan is only shown.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")]
