"""The runbook has an entry for each alert, reason and refusal, none too many, and what it tells to type exists."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from docs.reference import FOLDER
from stream import settings as config
from stream.cli.main import app
from stream.errors import ConfigurationError, Reason, StopReason, Trouble
from stream.operate.check import PACKET_BYTES_MIN
from stream.settings import KAFKA_PREFIX, SECRETS, setting_names
from tests.alerts.rules import Rule, alerts, labels_by_metric
from tests.consumers import CHECKOUT

RUNBOOK = (FOLDER / "runbook.md").read_text(encoding="utf-8")
NOT_FOR_OPERATORS = {"produce"}
"""Parts for developers alone: synthetic events."""
REMARKS = {"local_infile", "server", "added by hand"}
"""Findings about the database that refuse nothing."""


# What the page says.


def section(title: str) -> str:
    """The text under a heading of the second or third level, up to the next heading of its level."""
    level, _, _ = next(line for line in RUNBOOK.splitlines() if line.lstrip("#") == f" {title}").partition(" ")
    behind = RUNBOOK.split(f"\n{level} {title}\n")[1]
    return "\n".join(takewhile(lambda line: not re.match(rf"#{{2,{len(level)}}} ", line), behind.splitlines()))


def headings(text: str) -> list[str]:
    return re.findall(r"^### (.+)$", text, re.MULTILINE)


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows: what stands in their first cell, and the other cells."""
    table_rows = [re.split(r" *\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    return {first.strip("`"): others for first, *others in table_rows}


def anchors() -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# What the code says.


def calls(*names: str) -> Iterator[ast.Call]:
    """The calls of functions, or methods, of these names, wherever an operator may meet them."""
    for path in sorted((CHECKOUT / "stream").rglob("*.py")):
        if not NOT_FOR_OPERATORS & set(path.parts):
            yield from (call for call in calls_in(path) if ast.unparse(call.func).rpartition(".")[2] in names)


@cache
def calls_in(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def template(text: ast.expr) -> str:
    """A text of the code, with `…` for what is filled in; empty where it is no literal."""
    match text:
        case ast.Constant(value=str(constant)):
            return constant
        case ast.JoinedStr(values=values):
            return "".join(template(value) or "…" for value in values)
        case _:
            return ""


def troubles_met() -> set[str]:
    """The names of the troubles that the code speaks of, beside where they are declared."""
    files = (path.read_text(encoding="utf-8") for path in (CHECKOUT / "stream").rglob("*.py"))
    return {name for text in files for name in re.findall(r"\bTrouble\.([A-Z_]+)", text)}


def refusals(error: str) -> set[str]:
    """The texts that an error of this class may have."""
    literal = {template(call.args[0]) for call in calls(error)} - {""}
    return literal | computed_refusals() if error == "ConfigurationError" else literal


def computed_refusals() -> set[str]:
    """Those whose text is made up of several: by settings that are wrong, and of the database's findings."""
    made = set()
    for wrong in ({"STREAM_LANE": "2"}, {"STREAM_LANES": "0"}):
        with pytest.raises(ConfigurationError) as refused:
            config.load(wrong)
        made.add(str(refused.value))
    findings = [[template(argument) for argument in call.args[:2]] for call in calls("Finding")]
    return made | {f"{subject}: …" for area, subject in findings if area == "database" and subject not in REMARKS}


def is_said(row: str, refusal: str) -> bool:
    """Whether a refusal says what the row quotes; `…` stands for anything in both."""
    return re.search(re.escape(row).replace("…", ".+?"), refusal) is not None


# Whether they agree.


def test_each_alert_has_an_entry() -> None:
    assert headings(section("Alerts")) == [alert.name for alert in alerts()]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert.name))
def test_an_alert_leads_to_its_entry(alert: Rule) -> None:
    assert alert.annotation("runbook") == f"docs/runbook.md#{alert.name.lower()}"
    assert alert.name.lower() in anchors()


def test_each_reason_of_a_stop_has_an_entry() -> None:
    assert headings(section("Partitions that stopped")) == list(StopReason)


def test_each_reason_of_a_rest_has_an_entry() -> None:
    assert headings(section("Topics that rest")) == [template(call.args[1]) for call in calls("suspend")]


def test_each_trouble_has_an_entry() -> None:
    assert rows(section("Work that is tried again")).keys() == set(Trouble)


def test_each_trouble_is_met_somewhere() -> None:
    assert troubles_met() == set(Trouble.__members__)


def test_retries_are_counted_by_troubles_alone() -> None:
    labelled = [call for call in calls("labels") if ast.unparse(call.func).endswith("retries.labels")]
    counted = {ast.unparse(call.args[0]) for call in labelled}
    assert {
        label for label in counted if not label.endswith(".reason") and not label.lower().startswith("trouble")
    } == set()
    assert counted, "retries are counted elsewhere now"


def test_each_reason_of_a_rejection_has_an_entry_with_its_meaning() -> None:
    entries = rows(section("Records that are rejected"))
    meanings = {reason.value: reason.note for reason in Reason}
    assert {reason: cells[0] for reason, cells in entries.items()} == meanings


@pytest.mark.parametrize(("title", "error"), [("Exit code 78", "ConfigurationError"), ("Exit code 1", "TerminalError")])
def test_each_refusal_has_an_entry(title: str, error: str) -> None:
    entries, said = rows(section(title)), refusals(error)
    without_entry = {refusal for refusal in said if not any(is_said(row, refusal) for row in entries)}
    assert without_entry == set()
    never_said = {row for row in entries if not any(is_said(row, refusal) for refusal in said)}
    assert never_said == set()


def test_every_entry_says_what_it_means_what_to_look_at_and_what_to_type() -> None:
    expected = ["It means", "Look at", "Type"]
    for title in headings(RUNBOOK):
        if not title.startswith("Exit code"):
            assert re.findall(r"^- \*\*(.+?)\*\* ", section(title), re.MULTILINE) == expected, title
    assert {first: len(cells) for first, cells in rows(RUNBOOK).items() if len([*filter(None, cells)]) != 3} == {}


def typed() -> Iterator[str]:
    """The commands of ours, in blocks and in sentences."""
    for line in RUNBOOK.splitlines():
        yield from (text for text in [line, *re.findall(r"`([^`]+)`", line)] if text.startswith("stream "))


@pytest.mark.parametrize("line", sorted(set(typed())))
def test_a_command_to_type_exists(line: str) -> None:
    command: Any = typer.main.get_command(app)
    _, *words = shlex.split(line, comments=True)
    while hasattr(command, "commands"):
        command = command.get_command(None, words.pop(0))
    if words != ["--help"]:
        command.make_context(line, words)


def test_settings_and_metrics_that_are_named_exist() -> None:
    settings = {*setting_names(), *(f"STREAM_{secret}_FILE" for secret in SECRETS)}
    named = set(re.findall(r"STREAM_[A-Z_]*[A-Z]", RUNBOOK))
    unknown = {setting for setting in named - settings if not setting.startswith(KAFKA_PREFIX)}
    assert unknown == {"STREAM_KAFKA"}, "and its refusal"
    assert set(re.findall(r"`(stream_\w+)", RUNBOOK)) <= labels_by_metric().keys()


def test_links_within_the_page_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors()


def test_the_packet_that_it_tells_to_allow_is_large_enough() -> None:
    sizes = {int(size) for size in re.findall(r"max_allowed_packet = (\d+)", RUNBOOK)}
    assert sizes
    assert min(sizes) >= PACKET_BYTES_MIN
