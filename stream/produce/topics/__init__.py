"""How riders' days are told as events: one file here for each topic, found by looking, as in the catalog.

A record without one is told by its types alone (`generic`).
"""

from __future__ import annotations

import importlib
import pkgutil

from stream.catalog import STREAMS
from stream.produce.topics.declaration import Datum, Synthetic
from stream.produce.topics.generic import generic

__all__ = ["SYNTHETICS", "Datum", "Synthetic"]


def _find_synthetics() -> dict[str, Synthetic]:
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    synthetics = [synthetic for module in modules for synthetic in getattr(module, "SYNTHETICS", ())]
    own = {one.record_name: one for one in synthetics}
    routes = [route for stream in STREAMS.values() for route in stream.bound_routes]
    return {
        route.record_name: own.get(route.record_name) or generic(route)
        for route in sorted(routes, key=lambda route: route.record_name)
    }


SYNTHETICS = _find_synthetics()
"""How each record of the catalog is synthesized, by its name, in the order of the names."""
