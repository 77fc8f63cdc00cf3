"""One HTML page that shows the reports as plots, and needs nothing but itself: no network, no other file."""

from stream.page.document import document
from stream.page.sections import SECTIONS, Section

__all__ = ["SECTIONS", "Section", "document"]
