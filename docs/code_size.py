"""Counts what there is to read: python -m docs.code_size [DIRECTORY].

For each floor it prints files, folders, and lines of code, docstrings, comments and blank lines;
then functions, and temporaries: names bound once and read once, in the next statement.
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

FLOORS = ("apphub_jobs", "runtime", "domain", "projections", "eventlog", "worker", "catalog", "api")
ALL = (*FLOORS, "cli", "migrations", "tests", "benchmarks")

COLUMNS = (
    "files",
    "folders",
    "lines",
    "code",
    "docstring",
    "comment",
    "blank",
    "functions",
    "temporaries",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def counts_of(floor: Path) -> Counter[str]:
    """Return the counts of `COLUMNS` for the Python files of a directory."""
    counts: Counter[str] = Counter()
    folders = set()
    for path in floor.rglob("*.py"):
        folders.add(path.parent)
        counts["files"] += 1
        counts.update(_counts_of_source(path.read_text()))
    counts["folders"] = len(folders)
    return counts


def _counts_of_source(source: str) -> Counter[str]:
    tree = ast.parse(source)
    lines = source.splitlines()
    counts = Counter(lines=len(lines), blank=sum(not line.strip() for line in lines))
    counts["docstring"] = sum(_docstring_lines(tree))
    counts["comment"] = len(set(_comment_lines(source)))
    counts["code"] = counts["lines"] - counts["blank"] - counts["docstring"] - counts["comment"]
    for node in ast.walk(tree):
        if isinstance(node, Function):
            counts["functions"] += 1
            counts["temporaries"] += sum(1 for _ in _temporaries(node))
    return counts


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    """Yield how many lines that are not blank each bare string takes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield sum(bool(line.strip()) for line in text.splitlines()) or 1


def _comment_lines(source: str) -> Iterator[int]:
    """Yield the numbers of lines that hold a comment and nothing else."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip():
            yield token.start[0]


def _temporaries(function: Function) -> Iterator[str]:
    """Yield the names that are bound once and read once, in the statement after that."""
    bound: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound)[node.id] += 1
    for node in ast.walk(function):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if not isinstance(statements, list):
                continue
            for one, after in pairwise(statements):
                if not (isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)):
                    continue
                name = one.targets[0].id
                reads = (n.id for n in ast.walk(after) if isinstance(n, ast.Name))
                if bound[name] == read[name] == 1 and name in reads:
                    yield name


def main(root: Path) -> None:
    """Print the table for a checkout."""
    print(f"{'floor':12}" + "".join(f"{column:>12}" for column in COLUMNS))
    product: Counter[str] = Counter()
    for floor in ALL:
        if not (root / floor).is_dir():
            continue
        counts = counts_of(root / floor)
        if floor not in {"tests", "benchmarks", "migrations"}:
            product += counts
        print(f"{floor:12}" + "".join(f"{counts[column]:12}" for column in COLUMNS))
    print(f"{'product':12}" + "".join(f"{product[column]:12}" for column in COLUMNS))
    print(f"\ntemporaries a function: {product['temporaries'] / product['functions']:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
