"""Writes the reference pages, or parts of them, from the code that they describe: `make docs`.

A test fails where they have drifted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from docs.asyncapi import asyncapi
from docs.dictionary import dictionary
from docs.events import events
from docs.limits import limits
from stream.engine.metrics import Metrics
from stream.errors import Reason
from stream.kafka.client import SESSION_TIMEOUT_MS, SESSION_TIMEOUT_MS_NAMED
from stream.quality.checks import CHECKS
from stream.reports import REPORTS, Parameter
from stream.settings import KAFKA_SECRETS, PREFIX, SECRETS, Settings

FOLDER = Path(__file__).resolve().parent
NOTE = "<!-- written by `make docs`; change the code, not this page -->\n\n"

FIXED_PROPERTIES = (
    "`group.id` (it is `STREAM_GROUP_ID`), `enable.auto.commit`, `enable.auto.offset.store`, `auto.offset.reset`, "
    "`enable.partition.eof` and `isolation.level`: the promises depend on them.\n"
)
RENEWAL = (
    "All but the hash key are read again by whoever connects anew, so a renewed one needs no restart. "
    "[rights.md](rights.md) has the options of `STREAM_DATABASE_URL` for certificates.\n"
)
STATIC_MEMBERSHIP = (
    "Recommended: `STREAM_KAFKA_GROUP_INSTANCE_ID`, another one for each process and the same after its restart "
    "(a StatefulSet's pod name): then a restart disturbs nobody else, if the process is back within the session's "
    f"timeout. That is {SESSION_TIMEOUT_MS_NAMED // 1000} s with such a name, and {SESSION_TIMEOUT_MS // 1000} s "
    "without (`STREAM_KAFKA_SESSION_TIMEOUT_MS`); so long, too, wait the partitions of one that is stopped or killed "
    "and does not come back. With `group.protocol=consumer` the brokers say how long."
)

REPORTS_INTRODUCTION = """\
`stream report NAME` answers from MySQL, as a table, JSON or CSV (`--format`). Days and hours are UTC unless
`--time-zone` names another zone; moments are always UTC. Sums by day and hour come from rollups, which are a second or
two behind the rows, and longer while a backfill is summed: where an answer may lack rows, a line on standard error says
since when these were written, whatever the format, and the page says so beside the plot. The views lack them without a
word: the view `freshness` tells ([freshness.md](freshness.md)). Rows of equal rank are in the order of their keys.

In a table, characters that a terminal would act upon are written out (`\\x1b`). In CSV, a text that a spreadsheet would
take for a formula, for it begins with `=`, `+`, `-`, `@`, a tab or a line's end, has an apostrophe before it; numbers
have none.

`stream report html FILE` writes one page with plots of most of them, which needs no network and fits a phone.

`stream migrate` makes the views, replaces those that are missing, outdated or changed by hand, and drops those of ours
that are no longer declared; it leaves alone whatever else you create. `stream check` says which are not as declared.

Some figures differ from what the queries in use so far said, for those counted wrongly:

- **Engagement of users, performance of campaigns**: joining two ledgers to a user multiplies the rows of each with
  those of the other. Here each figure is counted by itself, and a trip counts once for a campaign.
- **Tokens** have the moment of `issued_on`; the ledger's `campaign_id` is a campaign's `ap_campaign_id`, not its `id`.
- **The mean per user** divides by users, not by transactions.
- **Days to engagement** go from a recipient's first tokens to the first trip at or after them, in the mean of users.
- **Tokens that were spent** (below 0) don't lessen what a campaign handed out.
- **Participants** are counted by different hashes: one that was registered twice is one participant.
"""


QUALITY_INTRODUCTION = """\
Each event was sound by itself when it was applied; these checks ask whether the rows make sense together.

- `stream quality` runs them now: how many rows are at fault, and some of them. It ends with 1 where any row is, and
  with 75 where a check took longer than `--seconds-max`.
- `stream run` runs each once in `STREAM_QUALITY_MINUTES`, one process at a time, one check every half minute at most,
  each for half a minute at most. What was found last is in the table `data_quality` and in the metric
  `stream_quality_faults_rows`; `faults` is null where the check took too long, or was refused.

A check reads a snapshot and locks nothing. The sample names rows by their keys, or, where the key is a person's id, by
topic, partition and offset of the event that wrote them (`kafka_partition` and `kafka_offset` of the row). While
`stream run` is behind, what contradicts itself may only be incomplete: look at `stream lag` first.
"""

QUALITY_NOTES = """\
## What was decided

- **Balances** follow the moments of the transactions (`created_on`, `issued_on`; at one moment, the ids), and the last
  balance counts, not the greatest: points are spent as well. A user whose first transactions are older than the log
  has an opening balance that nobody told us, and is at fault in both checks.
- **Amounts and balances that are null** count as nothing, and are not compared.
- **What campaigns handed out** is the sum of what users got; what they spent does not come back to the campaign.
  Tokens refer to a campaign by its `ap_campaign_id`.
- **Repetitions** have an id of their own: a repeated event changes nothing and is not among them.
- **Persons who were erased** are missing on purpose: ledgers keep their bare id, and that is no fault. A referral whose
  sender was erased has no sender, and is none either.
- **Coordinates and times** outside their ranges are rejected as events; such a row was written by somebody else.
"""


def settings() -> str:
    """The page of settings, from `stream.settings`."""
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
        RENEWAL,
        "## Kafka's properties that can't be changed\n",
        FIXED_PROPERTIES,
        STATIC_MEMBERSHIP,
    ]
    return NOTE + "\n".join(lines) + "\n"


def metrics() -> str:
    """The page of metrics and reasons, from `stream.engine.metrics` and `stream.errors`."""
    lines = ["# Metrics\n", "`stream run` serves them at `/metrics`.\n"]
    lines += ["| metric | labels | meaning |", "|---|---|---|"]
    metrics = [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]
    for metric in sorted(metrics, key=lambda metric: metric._name):
        name = f"{metric._name}_total" if metric._type == "counter" else metric._name
        labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "none"
        lines.append(f"| `{name}` ({metric._type}) | {labels} | {metric._documentation} |")
    lines.append(
        "\nBeside these are `process_…` (memory, CPU, open files) and `python_info`, of Prometheus' own library."
    )
    lines += ["\n## Reasons for a dead letter\n", "| reason | meaning |", "|---|---|"]
    lines += [f"| `{reason.value}` | {reason.note} |" for reason in Reason]
    return NOTE + "\n".join(lines) + "\n"


def commands() -> str:
    """The page of commands, from the command line itself."""
    typer = [sys.executable, "-m", "typer", "stream.cli.main", "utils", "docs", "--name", "stream"]
    printed = subprocess.run(typer, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return NOTE + printed.rstrip() + "\n"


def reports() -> str:
    """The page of reports and views, from their declarations."""
    lines = ["# Reports and views\n", REPORTS_INTRODUCTION]
    for report in REPORTS.values():
        view = f" The view `{report.view}` says the same in UTC, with the defaults." if report.view else ""
        lines += [f"## {report.name}\n", f"{report.title}.{view}\n"]
        lines += [f"{report.note}\n"] if report.note else []
        lines += ["| column | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {meaning} |" for name, meaning in report.columns.items()]
        lines += ["\n| option | default | meaning |", "|---|---|---|"] if report.parameters else []
        lines += [
            f"| `{parameter.option}` | {_default(parameter)} | {parameter.help} |" for parameter in report.parameters
        ]
        lines.append(f"\nExample: `{report.example}`\n")
    return NOTE + "\n".join(lines)


def quality() -> str:
    """The page of the checks of data quality, from their declarations."""
    lines = ["# Data quality\n", QUALITY_INTRODUCTION, "| check | table | a row at fault is |", "|---|---|---|"]
    lines += [f"| `{check.name}` | `{check.table.name}` | {check.meaning} |" for check in CHECKS.values()]
    return NOTE + "\n".join(lines) + "\n\n" + QUALITY_NOTES


def _default(parameter: Parameter) -> str:
    if parameter.is_required:
        return "required"
    return "none" if parameter.default is None else f"`{parameter.default}`"


PAGES = {
    "settings.md": settings,
    "metrics.md": metrics,
    "commands.md": commands,
    "reports.md": reports,
    "quality.md": quality,
    "events.md": events,
    "dictionary.md": lambda: NOTE + dictionary(),
    "limits.md": lambda: NOTE + limits(),
    "asyncapi.json": asyncapi,
}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
