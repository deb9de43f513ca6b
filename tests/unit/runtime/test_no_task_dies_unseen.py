"""Background tasks are run by `runtime`; exceptions say why in the line above."""

import ast
from collections.abc import Iterator

from tests import ROOT

ROOMS = (
    "domain",
    "projections",
    "eventlog",
    "worker",
    "catalog",
    "api",
    "cli",
    "apphub_jobs",
    "migrations",
)

STARTS = {"create_task", "ensure_future", "TaskGroup"}


def starts_without_reason(source: str) -> Iterator[int]:
    """Yield the lines of statements that start a task without a comment above."""
    if not any(start in source for start in STARTS):
        return  # Few files do: to parse all of them takes seconds.
    lines = source.splitlines()
    for statement in ast.walk(ast.parse(source)):
        if not isinstance(statement, ast.stmt) or hasattr(statement, "body"):
            continue
        named = {node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
        above = lines[statement.lineno - 2].strip()
        if named & STARTS and not above.startswith("#"):
            yield statement.lineno


def test_no_task_is_started_apart_from_supervision_without_a_reason() -> None:
    problems = {
        str(path.relative_to(ROOT)): list(starts_without_reason(path.read_text()))
        for directory in ROOMS
        for path in sorted((ROOT / directory).rglob("*.py"))
    }
    assert len(problems) > 100  # The test does see files.
    assert {path: lines for path, lines in problems.items() if lines} == {}


def test_a_start_without_a_reason_is_seen() -> None:
    start = "task = asyncio.create_task(run())\n"
    assert list(starts_without_reason("import asyncio\n\n" + start)) == [3]
    assert not list(starts_without_reason("import asyncio\n# Because.\n" + start))
