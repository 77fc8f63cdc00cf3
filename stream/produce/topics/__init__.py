"""Riders' days → events: one file here for each topic, discovered as the catalog's files are.

A record without one is told by its types alone (`generic`).
"""

import importlib
import pkgutil

from stream.catalog import STREAMS
from stream.produce.topics.declaration import Datum, Synthetic
from stream.produce.topics.generic import generic

__all__ = ["SYNTHETICS", "Datum", "Synthetic"]


def _find_synthetics() -> dict[str, Synthetic]:
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    synthetics = [synthetic for module in modules for synthetic in getattr(module, "SYNTHETICS", ())]
    own = {synthetic.record_name: synthetic for synthetic in synthetics}
    routes = [route for stream in STREAMS.values() for route in stream.bound_routes]
    return {
        route.record_name: own.get(route.record_name) or generic(route)
        for route in sorted(routes, key=lambda route: route.record_name)
    }


SYNTHETICS = _find_synthetics()
"""The recipe of each record in the catalog, by the record's name, in the order of the names."""
