"""Options that several commands have."""

from typing import Annotated

import typer

from stream.catalog import STREAMS

TopicsOption = Annotated[
    list[str] | None,
    typer.Option("--topic", help=f"Only this topic; may be repeated. There are: {', '.join(STREAMS)}."),
]
ExecuteOption = Annotated[bool, typer.Option("--execute", help="Do it; without this the plan is only shown.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")]
