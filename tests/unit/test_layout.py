"""The structure: no import circle, and a docstring for each package."""

import ast
from collections.abc import Iterator
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


def _files(*tops: str) -> list[Path]:
    return sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def _imported(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """Yield the modules of ours that a file imports, wherever in it that stands."""
    for node in ast.walk(tree):
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
    trees = {_module(path): ast.parse(path.read_text()) for path in _files(*FLOORS)}
    known = set(trees)
    imports = {module: set(_imported(tree, known)) for module, tree in trees.items()}
    assert sum(map(len, imports.values())) > len(imports)  # The test does see imports.
    TopologicalSorter(imports).prepare()  # Raises CycleError, which names the circle.


@pytest.mark.parametrize(
    "room",
    sorted(
        str(path.parent.relative_to(ROOT))
        for path in _files(*FLOORS)
        if path.name == "__init__.py" and path.parent.name != "versions"
    ),
)
def test_each_room_says_what_is_in_it(room: str) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text())
    docstring = ast.get_docstring(tree, clean=False)
    assert docstring is not None
    lines = docstring.strip().splitlines()
    assert len(lines) in DOCSTRING_LINES
