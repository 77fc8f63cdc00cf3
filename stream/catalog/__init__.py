"""Every topic that we consume: one file here each, discovered here, so that nothing else has to name it."""

import importlib
import pkgutil
from collections.abc import Sequence

import stream.declaration.service_tables  # noqa: F401 - so that METADATA has the service's own tables as well
from stream.declaration import Stream
from stream.declaration.rollups import share_of
from stream.declaration.tables import METADATA
from stream.errors import TerminalError

__all__ = ["METADATA", "ROLLUPS", "STREAMS", "readable_topics"]


def _find_streams() -> dict[str, Stream]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    streams = [module.STREAM for module in modules if hasattr(module, "STREAM")]
    return {stream.topic: stream for stream in sorted(streams, key=lambda stream: stream.topic)}


STREAMS = _find_streams()
"""Each stream by its topic, in the order of the topics' names."""

_shares = (share_of(table) for stream in STREAMS.values() for table in stream.tables)
ROLLUPS = dict(sorted({share.rollup.name: share.rollup for share in _shares if share is not None}.items()))
"""Each rollup that rows of a stream are summed in, by its name."""


def readable_topics(wanted: Sequence[str]) -> list[str]:
    """The topics to consume: those asked for, or all. Raises TerminalError for one that the catalog lacks."""
    unknown = sorted(set(wanted) - set(STREAMS))
    if unknown:
        raise TerminalError(f"no topic {', '.join(unknown)}; there are: {', '.join(STREAMS)}")
    return sorted(set(wanted)) or list(STREAMS)
