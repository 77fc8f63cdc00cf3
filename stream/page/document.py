"""The page's HTML: sections, the plotting library and the few lines that draw with it, all in one text."""

import html
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from string import Template
from typing import Any

from sqlalchemy import Engine, text

from stream.mysql.connection import read_connection
from stream.page.plots import Plot, Row
from stream.page.sections import SECTIONS, Section
from stream.reports import REPORTS, answer_on, behind_since, incompleteness

FRAME = Template(files(__package__).joinpath("frame.html").read_text(encoding="utf-8"))


def document(database: Engine, asked: Mapping[str, Any], made_on: datetime) -> str:
    """The whole page; `asked` holds values for those reports that have a parameter of the name.

    Raises DatabaseUnavailable.
    """
    # It takes a while to import, and no other command needs it.
    from plotly.offline import get_plotlyjs

    shown = [_section(number, section, *_rows(section, database, asked)) for number, section in enumerate(SECTIONS)]
    plots = {f"plot{number}": plot for number, (_, plot) in enumerate(shown) if plot}
    return FRAME.substitute(
        made_on=f"{made_on:%Y-%m-%d %H:%M}",
        time_zone=html.escape(str(asked.get("time_zone", "UTC"))),
        sections="\n".join(markup for markup, _ in shown),
        plots=_json(plots),
        library=get_plotlyjs(),
    )


def _rows(section: Section, database: Engine, asked: Mapping[str, Any]) -> tuple[Sequence[Row], datetime | None]:
    """The rows to be shown, and the moment since which some may be missing."""
    with read_connection(database) as connection:
        if section.table:
            selected = text(f"SELECT {', '.join(section.columns)} FROM {section.table} ORDER BY 1")  # noqa: S608
            return [dict(row) for row in connection.execute(selected).mappings()], None
        report = REPORTS[section.report]
        names = {parameter.name for parameter in report.parameters}
        values = {name: value for name, value in asked.items() if name in names} | {**section.asked}
        since = behind_since(connection, report)
        return answer_on(connection, report, values), since


def _section(number: int, section: Section, rows: Sequence[Row], since: datetime | None) -> tuple[str, Plot | None]:
    """The section's HTML, and the plot that goes into it."""
    heading = f"<h2>{html.escape(section.title)}</h2>\n<p>{html.escape(section.axes)}</p>"
    if since is not None:
        heading += f"\n<p><strong>{incompleteness(since)}</strong></p>"
    if not rows:
        return f'<section>{heading}<p class="empty">nothing yet</p></section>', None
    if section.draw is None:
        return f"<section>{heading}{_table(section.columns, rows)}</section>", None
    return f'<section>{heading}<div class="plot" id="plot{number}"></div></section>', section.draw(rows)


def _table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in columns)
    lines = ["".join(f"<td>{_cell(row[name])}</td>" for name in columns) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else html.escape(str(value))


def _json(value: Any) -> str:
    """JSON that can't end the script element around it."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
