"""Everything, on one machine in one run: a table, a file of results, a section of the README.

    python -m benchmarks [--quick] [--only NAME …] [--rounds N] [--seconds S] [--no-write] [--again]

`make bench` runs it in an environment of its own, with the peers. Each measurement is a process of
its own, so that none has another's memory; all share one private PostgreSQL, and each system has
its own databases there.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from benchmarks.harness.alone import own_directory
from benchmarks.harness.machine import described
from benchmarks.harness.processes import ROOT, python
from benchmarks.harness.results import Row, from_json
from benchmarks.harness.table import (
    as_markdown,
    as_short_markdown,
    as_text,
    notes,
    put_between_marks,
)
from tests.support import databases

MEASUREMENTS = {
    "launches": "benchmarks.rows.launches",
    "backlog": "benchmarks.rows.backlog",
    "together": "benchmarks.rows.together",
    "starts": "benchmarks.rows.starts",
    "saves": "benchmarks.rows.saves",
    "waiting": "benchmarks.rows.holding",
    "claims": "benchmarks.rows.claims",
    "ticks": "benchmarks.rows.ticking",
    "bulk": "benchmarks.rows.canceling",
    "stream": "benchmarks.rows.streaming",
    "rebuild": "benchmarks.rows.rebuilding",
    "up": "benchmarks.rows.starting_up",
}

HEADLINES = (
    "launches",
    "shared-backlog",
    "backlog",
    "shared",
    "noop",
    "starts",
    "stream",
    "growth",
)
"""What the README shows, in its order; the rest stands in the documentation."""

FEWEST_ROUNDS = 3
"""Of which a median is worth writing down."""

RESULTS = ROOT / "docs" / "benchmarks" / "results.json"

GROWTH = ROOT / "docs" / "benchmarks" / "growth.json"
"""What `make growth` writes."""

MEMORY = ROOT / "docs" / "benchmarks" / "memory.json"
"""Rows of this table, which `make memory` writes."""

README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round of each; the figures say little"
    )
    parser.add_argument(
        "--only", choices=MEASUREMENTS, action="append", help="may be given several times"
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument(
        "--no-write", action="store_true", help="print the table and leave all files as they are"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="write the tables anew from the last results, of `make growth` and `make memory` too",
    )
    arguments = parser.parse_args()
    if arguments.again:
        last = json.loads(RESULTS.read_text())
        newer = {row.name: row for row in (*growth_rows(), *memory_rows())}
        rows = [newer.get(row.name, row) for row in from_json(json.dumps(last["rows"]))]
        write(rows, last["machine"])
        return 0
    began = perf_counter()
    names = arguments.only or list(MEASUREMENTS)
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        machine = described(server)
        options = [
            f"--{name}={value}"
            for name in ("rounds", "seconds")
            if (value := getattr(arguments, name)) is not None
        ]
        options += ["--quick"] if arguments.quick else []
        rows, failed = _measure_all(names, server, directory, options)
    if not arguments.only:
        rows += [*growth_rows(), *memory_rows()]
    print(as_text(rows))
    print(
        f"\nin {(perf_counter() - began) / 60:.1f} minutes: "
        + ", ".join(f"{name} {value}" for name, value in machine.items())
    )
    if failed:
        print(f"failed: {', '.join(failed)}; nothing is written", file=sys.stderr)
        return 1
    if (
        arguments.no_write
        or arguments.quick
        or arguments.only
        or (arguments.rounds or FEWEST_ROUNDS) < FEWEST_ROUNDS
    ):
        print("Only a full measurement is written down.")
    else:
        write(rows, machine)
    return 0


def _measure_all(
    names: Sequence[str], server: str, directory: Path, options: Sequence[str]
) -> tuple[list[Row], list[str]]:
    """Return the rows, and which measurements failed."""
    rows, failed = [], []
    env = {**os.environ, "APPHUB_TEST_DATABASE_URL": server}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        result = directory / f"{name}.json"
        command = [*python(MEASUREMENTS[name]), "--json", str(result), *options]
        done = subprocess.run(command, cwd=ROOT, env=env, check=False)
        if done.returncode:
            failed.append(name)
        else:
            rows += from_json(result.read_text())
    return rows, failed


def write(rows: Sequence[Row], machine: dict[str, str]) -> None:
    """Write the results, the README's table, and all tables and notes into the documentation."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "rows": [asdict(row) for row in rows]}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    put_between_marks(README, as_short_markdown(headlines(rows)))
    put_between_marks(PERFORMANCE, footnotes(rows, machine))
    print(f"written: README.md, docs/performance.md, {RESULTS.relative_to(ROOT)}")


def headlines(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that the README shows."""
    return sorted(
        (row for row in rows if row.name in HEADLINES), key=lambda row: HEADLINES.index(row.name)
    )


def footnotes(rows: Sequence[Row], machine: dict[str, str]) -> str:
    """Return the whole table, and what there is to know of its figures."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    rounds = max(len(row.rounds) for row in rows)
    lines = [*notes(rows), f"medians of {rounds} rounds, measured with {facts}"]
    return "\n".join([as_markdown(rows), "", *(f"- {note}" for note in lines)])


def memory_rows(result: Path = MEMORY) -> list[Row]:
    """Return the rows about the API's memory, or nothing."""
    return from_json(result.read_text()) if result.exists() else []


def growth_rows(result: Path = GROWTH) -> list[Row]:
    """Return the slowest growth of all questions, or nothing."""
    if not result.exists():
        return []
    growth = json.loads(result.read_text())
    ratios = {
        str(row["name"]): float(row["ratio"]) for row in growth["rows"] if not row.get("grows")
    }
    if not ratios:
        return []
    sizes = sorted(int(size) for size in growth["sizes"])
    worst = max(ratios, key=lambda name: ratios[name])
    most, least = (f"{size:,}".replace(",", " ") for size in (sizes[-1], sizes[0]))
    title = f"the slowest list or look-up, {most} runs over {least}"
    note = f"of {len(ratios)} questions, from an earlier run of its own; the slowest: {worst}"
    return [
        Row(
            "growth",
            title,
            "fold",
            [ratios[worst]],
            lower_is_better=True,
            limit=float(growth["goal"]),
            notes=[note],
        )
    ]


if __name__ == "__main__":
    raise SystemExit(main())
