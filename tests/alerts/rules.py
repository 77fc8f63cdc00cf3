"""The alert rules as text, cut into rules: enough to compare their names with those of the code and of the docs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prometheus_client.metrics import MetricWrapperBase

from stream.engine.metrics import Metrics
from tests.consumers import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "prometheus"
RULES = FOLDER / "alerts.yml"


@dataclass(frozen=True)
class Rule:
    name: str
    is_alert: bool
    text: str

    @property
    def expression(self) -> str:
        """Between `expr:` and what follows it."""
        match = re.search(r"expr: (.*?)(?=\n +(?:for|labels|annotations|- \w+):|\Z)", self.text, re.DOTALL)
        assert match is not None, self.name
        return match[1]

    def annotation(self, name: str) -> str:
        """An annotation's first line; empty where there is none."""
        match = re.search(rf"^ +{name}: (.*)$", self.text, re.MULTILINE)
        return match[1] if match else ""


def rules() -> list[Rule]:
    text = re.sub(r"^ *#.*\n", "", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    starts = list(re.finditer(r"^ +- (alert|record): (\S+)$", text, re.MULTILINE))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return [
        Rule(start[2], start[1] == "alert", text[start.start() : end].rstrip())
        for start, end in zip(starts, ends, strict=True)
    ]


def alerts() -> list[Rule]:
    return [rule for rule in rules() if rule.is_alert]


def labels_by_metric() -> dict[str, set[str]]:
    """The labels of each metric that `stream run` tells, under the name that it has in a rule."""
    metrics = [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]
    return {
        f"{metric._name}_total" if metric._type == "counter" else metric._name: set(metric._labelnames)
        for metric in metrics
    }
