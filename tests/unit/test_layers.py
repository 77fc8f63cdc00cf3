"""Layers: a folder of `stream/` imports only the folders above it in the list of `stream/__init__.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import stream
from tests.consumers import CHECKOUT

PACKAGE = CHECKOUT / "stream"
FILES = sorted(PACKAGE.rglob("*.py"))

WORDS = "the words"
"""The files of `stream/` itself, which all folders may import."""

FOLDERS = [WORDS, *re.findall(r"^    (\w+)  ", stream.__doc__ or "", re.MULTILINE)]
RANK = {folder: rank for rank, folder in enumerate(FOLDERS)}

SIBLINGS = [{"kafka", "mysql"}]
"""Edges that know nothing of each other, though one has to stand above the other."""

PURE = ("declaration", "catalog", "schemas", "stages")
IO_LIBRARIES = {"confluent_kafka", "httpx2", "pymysql", "socket", "http", "urllib", "waitress", "prometheus_client"}

OWNERS = {
    "confluent_kafka": {"kafka", "produce/publish.py", "schemas/registry.py"},  # the registry's client comes with it
    "httpx2": {"schemas/registry.py"},
    "pymysql": {"mysql"},
    "alembic": {"mysql/migrate.py", "mysql/tables.py"},
    "prometheus_client": {"engine"},
    "waitress": {"engine/http_server.py"},
    "typer": {"cli"},
    "rich": {"cli"},
    "plotly": {"page"},
}
"""The folders, or files, that may import a library."""


def folder_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else WORDS


def imports(path: Path) -> Iterator[str]:
    """The modules and names that a file imports when it runs, in whatever function."""
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


def folders_imported(path: Path) -> set[str]:
    parts = [name.split(".") for name in imports(path)]
    return {names[1] if len(names) > 1 and names[1] in RANK else WORDS for names in parts if names[0] == "stream"}


def test_every_folder_is_in_the_list() -> None:
    assert {folder_of(path) for path in FILES} == set(FOLDERS)


def test_imports_point_upwards_in_the_list() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in FILES
        if path.name != "__main__.py"
        for other in folders_imported(path)
        if RANK[other] > RANK[folder_of(path)] or {other, folder_of(path)} in SIBLINGS
    ]
    assert wrong == []


def test_libraries_stay_with_their_owners() -> None:
    wrong = []
    for path in FILES:
        file, folder = str(path.relative_to(PACKAGE)), folder_of(path)
        for library in {name.partition(".")[0] for name in imports(path)}:
            if library in OWNERS and not {file, folder} & OWNERS[library]:
                wrong.append(f"{file} imports {library}")
            if library in IO_LIBRARIES and folder in PURE and file not in OWNERS.get(library, set()):
                wrong.append(f"{file} is pure, and imports {library}")
    assert wrong == []


WRITING = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE|LOAD)\b")
BUILDERS = {"insert", "update", "delete"}
TEMPLATES = ("stages/upsert.py", "stages/load.py", "stages/members.py")
"""The statements about rows: pure text, which `mysql/` executes."""


def writes(path: Path) -> Iterator[str]:
    """The expressions of a file that write to a database: SQLAlchemy's, on a table or imported, and SQL as text."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("sqlalchemy"):
                yield from BUILDERS & {alias.name for alias in node.names}
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)):
                if attribute in BUILDERS and (name.isupper() or name == "table"):
                    yield f"{name}.{attribute}"
            case ast.Constant(value=str(value)) if WRITING.match(value):
                yield value.split()[0]


def test_sql_that_writes_is_in_one_folder_alone() -> None:
    """The writers of a table, and the order of their locks, are found in one place."""
    assert [
        f"{path.relative_to(PACKAGE)}: {written}"
        for path in FILES
        if folder_of(path) != "mysql" and str(path.relative_to(PACKAGE)) not in TEMPLATES
        for written in writes(path)
    ] == []


def test_progress_is_written_by_one_file_alone() -> None:
    written = re.compile(r"(insert|update|delete)\(PROGRESS\)|PROGRESS\.(insert|update|delete)\(")
    assert [str(path.relative_to(PACKAGE)) for path in FILES if written.search(path.read_text())] == [
        "mysql/progress.py"
    ]


def test_files_import_each_other_without_circles() -> None:
    modules = {
        ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
    }

    def module_of(name: str) -> str:
        return name if name in modules else name.rpartition(".")[0]

    depends = {module: {module_of(name) for name in imports(path)} & modules.keys() for module, path in modules.items()}
    for module, others in depends.items():
        others -= {module, *(package for package in modules if module.startswith(f"{package}."))}
    while depends:
        free = {module for module, others in depends.items() if not others & depends.keys()}
        assert free, f"these import each other: {sorted(depends)}"
        depends = {module: others for module, others in depends.items() if module not in free}


def test_files_are_short() -> None:
    """A file is read in one sitting; that a function fits on a screen, test_tidy.py holds for all folders."""
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES}
    assert {file for file, lines in lengths.items() if lines > FILE_LINES_MAX} <= LONG_FILES


FILE_LINES_MAX = 300

LONG_FILES = {
    "produce/flaws.py"  # a table of flaws, read as a list
}
