"""Analysts' questions: one file for each subject, discovered here, so that nothing else has to name a report."""

import importlib
import pkgutil

from stream.mysql import freshness
from stream.mysql.views import View
from stream.reports import tables
from stream.reports.declaration import Parameter, Report, answer, answer_on, behind_since, incompleteness, view_sql

__all__ = ["REPORTS", "VIEWS", "Parameter", "Report", "answer", "answer_on", "behind_since", "incompleteness"]


def _find_reports() -> dict[str, Report]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    reports = [report for module in modules for report in getattr(module, "REPORTS", ())]
    return {report.name: report for report in sorted(reports, key=lambda report: report.name)}


REPORTS = _find_reports()
"""Each report by its name, in the order of their names."""

VIEWS = (
    freshness.VIEW,
    *tables.VIEWS,
    *(View(report.view, view_sql(report)) for report in REPORTS.values() if report.view),
)
"""Each view that `stream migrate` makes. A view that reads another one stands behind it."""
