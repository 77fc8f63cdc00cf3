"""The alert rules: promtool runs their tests, and what they speak of is what `stream run` tells."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from deploy.local import promtool_program
from stream.settings import Settings
from tests.alerts.rules import FOLDER, Rule, alerts, labels_by_metric, rules

CASES = sorted(Path(__file__).parent.glob("*.yml"))

LABELS_OF_TARGETS = {"job", "instance", "pod"}
"""Labels that Prometheus itself adds, or an operator's configuration."""


@pytest.fixture(scope="module")
def promtool() -> Path:
    return promtool_program()


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda path: str(path.stem))
def test_alerts_fire_where_they_should_and_only_there(promtool: Path, case: Path) -> None:
    run(promtool, "test", "rules", case)


def test_the_scrape_config_is_one_and_finds_the_rules(promtool: Path) -> None:
    run(promtool, "check", "config", FOLDER / "prometheus.yml")


def test_the_scrape_config_asks_where_stream_listens_by_default() -> None:
    defaults = {name: Settings.model_fields[name].default for name in ("http_host", "http_port")}
    assert "{http_host}:{http_port}".format(**defaults) in (FOLDER / "prometheus.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert.name))
def test_an_alert_is_tested_both_ways(alert: Rule) -> None:
    expected = re.compile(rf"alertname: {alert.name}\b,?\s+eval_time: [^,\n]+,?\s+exp_alerts:\s+(\[\]|\S)")
    outcomes = [begins == "[]" for case in CASES for begins in expected.findall(case.read_text(encoding="utf-8"))]
    assert set(outcomes) == {True, False}


def expanded(rule: Rule) -> str:
    """The rule's expression, with the expressions of recorded ones in the place of their names."""
    expression = rule.expression
    recorded = [other for other in rules() if not other.is_alert]
    for earlier in reversed(recorded):  # a later rule may refer to an earlier one
        expression = expression.replace(earlier.name, earlier.expression)
    return expression


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule.name))
def test_a_rule_speaks_of_metrics_and_labels_that_there_are(rule: Rule) -> None:
    expression = expanded(rule)
    metrics = set(re.findall(r"\bstream_\w+", expression))
    labels = labels_by_metric()
    assert metrics <= labels.keys()
    known = LABELS_OF_TARGETS.union(*(labels[metric] for metric in metrics))
    grouped = {
        label for names in re.findall(r"\b(?:by|on|without) \(([^)]*)\)", expression) for label in names.split(", ")
    }
    matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    assert grouped | matched | set(re.findall(r"\$labels\.(\w+)", rule.text)) <= known


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert.name))
def test_an_alert_says_how_bad_it_is_and_what_it_is_about(alert: Rule) -> None:
    assert re.search(r"severity: (critical|warning)$", alert.text, re.MULTILINE)
    assert alert.annotation("description")
    assert told_apart_by(expanded(alert)) <= set(re.findall(r"\$labels\.(\w+)", alert.annotation("summary")))


def told_apart_by(expression: str) -> set[str]:
    """The labels of its first metric that an expression keeps."""
    metric = re.search(r"\bstream_\w+", expression)
    if metric is None:
        return set()
    dropped = re.findall(r"\bwithout \(([^)]*)\)", expression[: metric.start()])
    return labels_by_metric()[metric[0]] - {label for labels in dropped for label in labels.split(", ")}


def test_no_rule_drops_what_tells_one_installation_from_another() -> None:
    assert not [rule.name for rule in rules() if re.search(r"\b(by|on) \(", rule.expression)]
