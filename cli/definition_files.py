"""Definitions of jobs and schedules in YAML and JSON, and the files of a directory that hold some.

In a directory nothing is skipped that could be a definition: to `apply --prune`, what was skipped
would look like what was removed. So each of its YAML and JSON files must hold definitions.
"""

import ast
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

from cli.parameters import documents_in
from domain.json_values import Json, JsonObject

SUFFIXES = (".yaml", ".yml", ".json")

PYTHON = ".py"

_ENVIRONMENT_MARK = "pyvenv.cfg"
"""This file marks the directory of a virtual environment."""


def objects_in(path: Path) -> Iterator[Json]:
    """Yield what a file holds: one object, a list of them, or several documents.

    Raises:
        ValueError: it is neither YAML nor JSON.
        OSError: it cannot be read.
    """
    try:
        documents = documents_in(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} cannot be read: {error}"
        raise ValueError(msg) from None
    for document in documents:
        if isinstance(document, list):
            yield from document
        else:
            yield document


def is_job(value: Json) -> TypeGuard[JsonObject]:
    """Return whether it is the definition of a job: it has a slug."""
    return isinstance(value, dict) and isinstance(value.get("slug"), str)


def is_schedule(value: Json) -> TypeGuard[JsonObject]:
    """Return whether it is a schedule: it has an id, and no slug."""
    return isinstance(value, dict) and isinstance(value.get("id"), str) and not is_job(value)


def refuse_duplicates(kind: str, names: Iterable[str]) -> None:
    """Refuse a job or schedule that is defined twice; names that differ in case alone are one.

    Raises:
        ValueError: there is one.
    """
    earlier: set[str] = set()
    for name in names:
        if name.lower() in earlier:
            msg = f"the {kind} {name!r} is defined twice"
            raise ValueError(msg)
        earlier.add(name.lower())


def files_below(directory: Path) -> Iterator[Path]:
    """Yield, in order, the YAML and JSON files of a directory and its Python files with jobs.

    Hidden files and directories and virtual environments are left out.

    Raises:
        ValueError: a Python file cannot be parsed.
        OSError: a file cannot be read.
    """
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(
            name
            for name in directories
            if not name.startswith(".") and not Path(parent, name, _ENVIRONMENT_MARK).exists()
        )
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if name.endswith(SUFFIXES) or (path.suffix == PYTHON and _has_jobs(path)):
                yield path


def _has_jobs(path: Path) -> bool:
    """Return whether a Python file decorates a function with `apphub_jobs.job`."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ValueError(msg) from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("apphub_jobs"):
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "job"}
        elif isinstance(node, ast.Import):
            modules = [alias for alias in node.names if alias.name == "apphub_jobs"]
            names |= {f"{alias.asname or alias.name}.job" for alias in modules}
    return any(
        _decorator(one) in names
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for one in node.decorator_list
    )


def _decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)
