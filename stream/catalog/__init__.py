"""Every topic that we consume: one file here each, discovered here, so that nothing else has to name it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from stream.declaration.streams import METADATA, Event, Feed, Route, Stream
from stream.errors import TerminalError

__all__ = ["METADATA", "STREAMS", "Event", "Feed", "Route", "Stream"]


def _find_streams() -> dict[str, Stream]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    streams = [module.STREAM for module in modules if hasattr(module, "STREAM")]
    return {stream.topic: stream for stream in sorted(streams, key=lambda stream: stream.topic)}


STREAMS = _find_streams()
"""Each stream by its topic, in the order of the topics' names."""


def readable_topics(wanted: Sequence[str]) -> list[str]:
    """The topics to consume: those asked for, or all.

    Raises TerminalError for one that the catalog lacks.
    """
    unknown = sorted(set(wanted) - set(STREAMS))
    if unknown:
        raise TerminalError(f"no topic {', '.join(unknown)}; there are: {', '.join(STREAMS)}")
    return sorted(set(wanted)) or list(STREAMS)
