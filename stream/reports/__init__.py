"""Analysts' questions: one file for each subject, discovered here, so that nothing else has to name a report."""

from __future__ import annotations

import importlib
import pkgutil

from stream.reports.declaration import Parameter, Report, answer, view_sql

__all__ = ["REPORTS", "Parameter", "Report", "answer", "view_sql"]


def _find_reports() -> dict[str, Report]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    reports = [report for module in modules for report in getattr(module, "REPORTS", ())]
    return {report.name: report for report in sorted(reports, key=lambda report: report.name)}


REPORTS = _find_reports()
"""Each report by its name, in the order of their names."""
