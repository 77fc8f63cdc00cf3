"""By what personal values are recognised that were planted, and the search for them where none may be: logs, metrics,
what /readyz says, what commands print."""

from __future__ import annotations

import base64
import re

WORD = "Plantezuma"
"""In every text: names, addresses, tokens, ids of accounts, headers and keys."""

APP_USERS, TELEGRAM_USERS = 4_111_200_000, 7_111_200_000_000
"""The first ids that are numbers: nobody else's are near, and no other number of ten digits looks like one."""

LAST_PERSON = 99_999

FORMS = {WORD, WORD.encode().hex(), *(base64.b64encode(b" " * n + WORD.encode())[4:-4].decode() for n in range(3))}
"""As text, as hex, and in base64 wherever it begins."""

TRACE = re.compile("|".join([*map(re.escape, FORMS), r"(?<![\d.])(41112\d{5}|71112\d{8})(?!\d)"]), re.IGNORECASE)


def traces(text: str) -> list[str]:
    """The personal values that a text gives away, each with the text around it."""
    return [text[max(0, trace.start() - 80) : trace.end() + 80] for trace in TRACE.finditer(text)]
