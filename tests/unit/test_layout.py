"""The structure: no import circle, no crumbs, no class name twice in a floor, documented packages.

The order of the floors, and of the parts inside them, is held by import-linter (pyproject.toml).
"""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

FLOORS = (
    "apphub_jobs",
    "runtime",
    "domain",
    "projections",
    "eventlog",
    "worker",
    "catalog",
    "api",
    "cli",
    "migrations",
)
DOCSTRING_LINES = range(2, 6)

CRUMB_LINES = 50
"""A shorter file that only its neighbour imports belongs to that neighbour."""

GENERATED = {"apphub_jobs.client.synchronous"}


def _files(*tops: str) -> list[Path]:
    return sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below a node; there is none in an expression."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, name, ()):
            yield statement
            yield from _statements(statement)


def _imported(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """Yield the modules of ours that a file imports, wherever in it that stands."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in known:
                    yield submodule
                elif node.module in known:
                    yield node.module


def test_no_file_imports_itself_by_way_of_others() -> None:
    trees = {_module(path): _tree(path) for path in _files(*FLOORS)}
    known = set(trees)
    imports = {module: set(_imported(tree, known)) for module, tree in trees.items()}
    assert sum(map(len, imports.values())) > len(imports)  # The test does see imports.
    TopologicalSorter(imports).prepare()  # Raises CycleError, which names the circle.


def test_no_class_name_stands_twice_in_a_floor() -> None:
    for floor in FLOORS:
        modules: dict[str, list[str]] = {}
        for path in _files(floor):
            if (module := _module(path)) in GENERATED:
                continue
            for node in _tree(path).body:
                if isinstance(node, ast.ClassDef):
                    modules.setdefault(node.name, []).append(module)
        assert {name: owners for name, owners in modules.items() if len(owners) > 1} == {}


def test_no_small_file_is_used_by_its_neighbour_alone() -> None:
    paths = {_module(path): path for path in _files(*FLOORS)}
    importers: dict[str, set[Path]] = {}
    for path in paths.values():
        # What a function imports, it imports late for a reason, and so from a file of its own.
        top = ast.Module([node for node in _tree(path).body if _is_import(node)], [])
        for module in _imported(top, set(paths)):
            importers.setdefault(module, set()).add(path)
    crumbs = [
        module
        for module, users in importers.items()
        if {paths[module].parent} == {user.parent for user in users}
        and len(users) == 1
        and paths[module].name != "__init__.py"
        and len(paths[module].read_text().splitlines()) < CRUMB_LINES
    ]
    assert crumbs == []


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize(
    "package",
    sorted(
        str(path.parent.relative_to(ROOT))
        for path in _files(*FLOORS)
        if path.name == "__init__.py" and path.parent.name != "versions"
    ),
)
def test_each_package_says_what_is_in_it(package: str) -> None:
    docstring = ast.get_docstring(_tree(ROOT / package / "__init__.py"), clean=False)
    assert docstring is not None
    lines = docstring.strip().splitlines()
    assert len(lines) in DOCSTRING_LINES
