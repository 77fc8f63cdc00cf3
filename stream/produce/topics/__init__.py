"""How riders' days are told as events: one file here for each topic, found by looking, as in the catalog."""

from __future__ import annotations

import importlib
import pkgutil

from stream.produce.topics.declaration import Datum, Synthetic

__all__ = ["SYNTHETICS", "Datum", "Synthetic"]


def _find_synthetics() -> dict[str, Synthetic]:
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    synthetics = [synthetic for module in modules for synthetic in getattr(module, "SYNTHETICS", ())]
    return {one.record_name: one for one in sorted(synthetics, key=lambda one: one.record_name)}


SYNTHETICS = _find_synthetics()
"""Each record that can be synthesized, by its name, in the order of the names."""
