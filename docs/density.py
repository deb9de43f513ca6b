"""Print how dense the code is.

Shown are syntax nodes a line of function bodies, and conditional expressions per 100 lines.

Counted are the bodies of functions without their docstrings, and of their lines those that hold
code. With `--files`, each file is shown, the densest last.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("domain", "projections", "eventlog", "worker", "api")
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass
class Density:
    """What was counted in some files."""

    nodes: int = 0
    lines: int = 0
    conditionals: int = 0

    def add(self, other: "Density") -> None:
        """Count the other's, too."""
        self.nodes += other.nodes
        self.lines += other.lines
        self.conditionals += other.conditionals

    @property
    def nodes_a_line(self) -> float:
        """The bodies' nodes by their lines with code."""
        return self.nodes / max(self.lines, 1)

    @property
    def conditionals_per_100_lines(self) -> float:
        """All conditional expressions by 100 lines of bodies."""
        return 100 * self.conditionals / max(self.lines, 1)


def density_of(source: str) -> Density:
    """Count one file."""
    tree = ast.parse(source)
    with_code = _lines_with_code(source)
    counted = Density()
    for node in ast.walk(tree):
        counted.conditionals += isinstance(node, ast.IfExp)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in _body(node):
                last = statement.end_lineno or statement.lineno
                counted.nodes += sum(1 for _ in ast.walk(statement))
                counted.lines += len(
                    with_code.intersection(range(statement.lineno, last + 1))
                )
    return counted


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    if ast.get_docstring(function, clean=False) is None:
        return function.body
    return function.body[1:]


def _lines_with_code(source: str) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def _files(room: str) -> Iterator[tuple[str, Density]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        yield str(path.relative_to(ROOT)), density_of(path.read_text(encoding="utf-8"))


def _show(name: str, counted: Density) -> None:
    print(  # noqa: T201 - this is what the program is for
        f"{counted.nodes_a_line:6.2f} nodes a line"
        f" {counted.conditionals_per_100_lines:6.2f} conditional expressions per 100 lines"
        f" {counted.lines:6} lines  {name}"
    )


def main() -> None:
    """Print each room and the whole."""
    whole = Density()
    files: list[tuple[str, Density]] = []
    for room in ROOMS:
        in_room = list(_files(room))
        counted = Density()
        for _, of_file in in_room:
            counted.add(of_file)
        _show(room, counted)
        whole.add(counted)
        files += in_room
    _show("all", whole)
    if "--files" in sys.argv:
        for name, of_file in sorted(files, key=lambda pair: pair[1].nodes_a_line):
            _show(name, of_file)


if __name__ == "__main__":
    main()
