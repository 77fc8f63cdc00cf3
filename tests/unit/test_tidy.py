"""Rules of style that a linter does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consumers import CHECKOUT
from tests.unit.unmended import UNMENDED

FOLDERS = ("stream", "deploy", "bench", "migrations", "tests")
FILES = sorted(path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py"))
VOICED = sorted(
    path for folder in ("stream", "deploy", "bench", "docs", "tests") for path in (CHECKOUT / folder).rglob("*.py")
)
NAMES_WITHOUT_MEANING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
FUNCTION_LINES_MAX = 70
QUESTION_WORDS = frozenset(["What", "How", "Where", "Who", "Whose", "Which", "When", "Why", "That"])
NAMES_FOR_ANYTHING = {"one", "found", "theirs", "mine"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_has_a_name_without_meaning() -> None:
    breaches = [path for path in FILES if NAMES_WITHOUT_MEANING & set(path.relative_to(CHECKOUT).with_suffix("").parts)]
    assert not breaches


def test_functions_fit_on_a_screen() -> None:
    breaches = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not breaches


@pytest.mark.parametrize("path", [path for path in FILES if "stream" in path.relative_to(CHECKOUT).parts[:1]])
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_tests_are_sentences() -> None:
    names = [node.name for path in FILES if path.name.startswith("test_") for node in functions(path)]
    breaches = [name for name in names if name.startswith("test_") and name.count("_") < 3]
    assert not breaches


def test_nothing_sleeps_in_tests_but_the_wait_for_a_condition() -> None:
    calls = re.compile(r"\btime\.sleep\(")
    breaches = [
        path.relative_to(CHECKOUT)
        for path in (CHECKOUT / "tests").rglob("*.py")
        if path.parent.name != "local"
        and path.name not in ("waiting.py", Path(__file__).name)
        and calls.search(path.read_text())
    ]
    assert not breaches


def test_nothing_prints_a_drivers_own_text() -> None:
    """A driver's message holds values: no error of ours may be made from one."""
    suspicious = re.compile(r"\{(error|exception|exc|err)(\.args\[1\]|\.orig|!r)?\}")
    breaches = [
        f"{path.relative_to(CHECKOUT)}:{number}"
        for folder in ("mysql", "engine")
        for path in (CHECKOUT / "stream" / folder).glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if suspicious.search(line)
    ]
    assert not breaches


def docstrings(tree: ast.Module) -> Iterator[str]:
    """The docstrings of a file, and the strings below its fields and constants."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield text


def names_given(tree: ast.Module) -> Iterator[str]:
    """Every name that a file gives to a variable, a parameter or an attribute."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield name


def breaches_of_voice(source: str) -> list[str]:
    """Docstrings that open like a question, and names that could stand for anything."""
    tree = ast.parse(source)
    openings = [re.findall(r"\w+", text)[:1] for text in docstrings(tree)]
    return [
        *(f"a docstring begins with {word}" for words in openings for word in words if word in QUESTION_WORDS),
        *(f"a variable is called {name}" for name in names_given(tree) if name in NAMES_FOR_ANYTHING),
    ]


def test_docstrings_begin_with_a_noun_or_a_verb_and_variables_say_what_they_hold() -> None:
    """The list of files still to be mended only shrinks: a mended file must leave it."""
    unmended = {str(path.relative_to(CHECKOUT)) for path in VOICED if breaches_of_voice(path.read_text())}
    assert unmended - UNMENDED == set()
    assert UNMENDED - unmended == set()


@pytest.mark.parametrize(
    "source",
    [
        '"""How it is."""',
        'class A:\n    """Where it is."""',
        'class A:\n    field: int\n    """Who has it."""',
        'def f():\n    """What\'s there."""',
        "one = 1",
        "def f(found): ...",
        "self.mine = 1",
        "[theirs for theirs in ()]",
        "for _, one in (): ...",
        "match 1:\n    case one: ...",
        "try: ...\nexcept E as found: ...",
    ],
)
def test_a_breach_of_voice_is_seen(source: str) -> None:
    assert len(breaches_of_voice(source)) == 1


def test_a_sound_docstring_is_no_breach_of_voice() -> None:
    assert not breaches_of_voice('"""Whether that is so."""\nONE = 1\nprint(one, self.found, f(mine=1))')
