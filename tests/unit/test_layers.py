"""Layers: who may import whom. words ← catalog ← pure stages ← edges ← engine ← service ← commands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consumers import CHECKOUT

PACKAGE = CHECKOUT / "stream"

LAYERS: dict[str, tuple[str, ...]] = {
    "words": ("stream", "errors", "records", "reached", "hashing", "config", "files", "logs"),
    "catalog": ("catalog",),
    "pure": ("schemas", "compatibility", "validate", "decode", "content", "compact", "tables", "upsert", "quality"),
    "edges": (
        "database",
        "progress",
        "dead_letters",
        "changes",
        "rollups",
        "freshness",
        "late_changes",
        "erasure",
        "inspection",
        "grants",
        "isolate",
        "writer",
        "source",
        "log_reader",
        "ranges",
        "runs",
        "digests",
        "shadow",
        "metrics",
        "health",
        "migrate",
        "topics",
        "registry",
        "decoder",
        "produce",
        "reports",
    ),
    "engine": (
        "lane",
        "assignment",
        "flood",
        "eraser",
        "refresher",
        "housekeeper",
        "inspector",
        "engine",
        "lag",
        "check",
        "erase",
        "offsets",
        "redrive",
        "dead_letter_topic",
        "offset_reset",
        "brake",
        "preview",
        "page",
    ),
    "service": ("service", "replay", "verify"),
    "commands": ("cli", "__main__"),
}
ORDER = {name: rank for rank, names in enumerate(LAYERS.values()) for name in names}

NO_IO = (
    "confluent_kafka",
    "httpx2",
    "pymysql",
    "socket",
    "http",
    "urllib",
    "wsgiref",
    "prometheus_client",
    "alembic",
    "typer",
)
EDGE_LIBRARIES = {
    "confluent_kafka": {
        "source",
        "topics",
        "registry",
        "decoder",
        "lag",
        "produce",
        "erase",
        "offsets",
        "offset_reset",
        "log_reader",
        "dead_letter_topic",
        "ranges",
        "verify",
    },
    "httpx2": {"registry"},
    "pymysql": {"database"},
    "alembic": {"migrate"},
    "wsgiref": {"health"},
    "typer": {"cli"},
    "rich": {"cli"},
    "plotly": {"page"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    """The module or subpackage, as LAYERS names it."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "stream" if parts == ("__init__",) else parts[0]


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports when it runs, in whatever function."""
    tree = ast.parse(path.read_text())
    guarded = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def units_imported(path: Path) -> set[str]:
    found = set()
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "stream":
            unit = rest.partition(".")[0]
            found.add(unit if unit in ORDER else "stream")
    return found


def test_every_module_has_a_layer() -> None:
    assert {unit_of(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    unit = unit_of(path)
    upwards = {other for other in units_imported(path) if other != unit and ORDER[other] > ORDER[unit]}
    assert not upwards


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_edge_has_its_libraries_to_itself(path: Path) -> None:
    unit = unit_of(path)
    libraries = {name.partition(".")[0] for name in imports(path)}
    if ORDER[unit] <= ORDER["upsert"]:
        assert not libraries & set(NO_IO)
    for library, users in EDGE_LIBRARIES.items():
        assert library not in libraries or unit in users, library


def test_a_layer_has_no_circles() -> None:
    depends = {unit: set[str]() for unit in ORDER}
    for path in FILES:
        depends[unit_of(path)] |= units_imported(path) - {unit_of(path), "stream"}
    while depends:
        free = {unit for unit, others in depends.items() if not others & depends.keys()}
        assert free, f"these import each other: {sorted(depends)}"
        depends = {unit: others for unit, others in depends.items() if unit not in free}
