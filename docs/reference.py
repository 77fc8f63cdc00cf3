"""Writes the reference pages from the code that they describe: `make docs`. A test fails where they have drifted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from docs.asyncapi import asyncapi
from docs.dictionary import dictionary
from stream.config import KAFKA_SECRETS, PREFIX, SECRETS, Settings
from stream.errors import Reason
from stream.metrics import Metrics

FOLDER = Path(__file__).resolve().parent
NOTE = "<!-- written by `make docs`; change the code, not this page -->\n\n"

FIXED_PROPERTIES = (
    "`group.id` (it is `STREAM_GROUP_ID`), `enable.auto.commit`, `enable.auto.offset.store`, `auto.offset.reset`, "
    "`enable.partition.eof` and `isolation.level`: the promises depend on them.\n"
)
STATIC_MEMBERSHIP = (
    "Recommended: `STREAM_KAFKA_GROUP_INSTANCE_ID`, another one for each process and the same after its restart "
    "(a StatefulSet's pod name): then a restart disturbs nobody else."
)


def settings() -> str:
    """The page of settings, from `stream.config`."""
    lines = [
        "# Settings\n",
        "All come from the environment. An unknown name is an error, so a slip of the pen can't go unseen.\n",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        if name == "kafka":
            continue
        default = "none" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    example = "`STREAM_KAFKA_BOOTSTRAP_SERVERS` is `bootstrap.servers`"
    lines.append(f"| `STREAM_KAFKA_<PROPERTY>` | none | any property of librdkafka: {example} |")
    secrets = [f"`{PREFIX}{name}_FILE`" for name in sorted(SECRETS)]
    secrets += [f"`STREAM_KAFKA_{name.replace('.', '_').upper()}_FILE`" for name in sorted(KAFKA_SECRETS)]
    lines += [
        "\n## Secrets\n",
        "A secret can be given as a file that holds it: " + ", ".join(secrets) + ".\n",
        "## Kafka's properties that can't be changed\n",
        FIXED_PROPERTIES,
        STATIC_MEMBERSHIP,
    ]
    return NOTE + "\n".join(lines) + "\n"


def metrics() -> str:
    """The page of metrics and reasons, from `stream.metrics` and `stream.errors`."""
    lines = ["# Metrics\n", "`stream run` serves them at `/metrics`.\n"]
    lines += ["| metric | labels | meaning |", "|---|---|---|"]
    found = [one for one in vars(Metrics()).values() if isinstance(one, MetricWrapperBase)]
    for one in sorted(found, key=lambda one: one._name):
        name = f"{one._name}_total" if one._type == "counter" else one._name
        labels = ", ".join(f"`{label}`" for label in one._labelnames) or "none"
        lines.append(f"| `{name}` ({one._type}) | {labels} | {one._documentation} |")
    lines += ["\n## Reasons for a dead letter\n", "| reason | meaning |", "|---|---|"]
    lines += [f"| `{reason.value}` | {reason.meaning} |" for reason in Reason]
    return NOTE + "\n".join(lines) + "\n"


def commands() -> str:
    """The page of commands, from the command line itself."""
    typer = [sys.executable, "-m", "typer", "stream.cli.main", "utils", "docs", "--name", "stream"]
    printed = subprocess.run(typer, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return NOTE + printed.rstrip() + "\n"


PAGES = {
    "settings.md": settings,
    "metrics.md": metrics,
    "commands.md": commands,
    "dictionary.md": lambda: NOTE + dictionary(),
    "asyncapi.json": asyncapi,
}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
