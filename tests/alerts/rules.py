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
        found = re.search(r"expr: (.*?)(?=\n +(?:for|labels|annotations|- \w+):|\Z)", self.text, re.DOTALL)
        assert found is not None, self.name
        return found[1]

    def annotation(self, name: str) -> str:
        """An annotation's first line; empty where there is none."""
        found = re.search(rf"^ +{name}: (.*)$", self.text, re.MULTILINE)
        return found[1] if found else ""


def rules() -> list[Rule]:
    text = re.sub(r"^ *#.*\n", "", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    starts = list(re.finditer(r"^ +- (alert|record): (\S+)$", text, re.MULTILINE))
    ends = [one.start() for one in starts[1:]] + [len(text)]
    return [
        Rule(one[2], one[1] == "alert", text[one.start() : end].rstrip()) for one, end in zip(starts, ends, strict=True)
    ]


def alerts() -> list[Rule]:
    return [one for one in rules() if one.is_alert]


def labels_by_metric() -> dict[str, set[str]]:
    """The labels of each metric that `stream run` tells, under the name that it has in a rule."""
    found = [one for one in vars(Metrics()).values() if isinstance(one, MetricWrapperBase)]
    return {f"{one._name}_total" if one._type == "counter" else one._name: set(one._labelnames) for one in found}
