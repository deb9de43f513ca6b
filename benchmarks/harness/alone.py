"""Running one measurement in a process and a directory of its own."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness.results import QUICK, Bench, Effort, Row, to_json
from benchmarks.harness.table import as_text
from tests.support import databases


@contextmanager
def own_directory() -> Any:
    """Give a directory that a private server's user may pass."""
    with tempfile.TemporaryDirectory(prefix="apphub-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def run_alone(measure: Callable[[Bench], Sequence[Row]], description: str | None) -> None:
    """Run one measurement from the command line: print its rows, or write them as JSON."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, help="how often each side is measured")
    parser.add_argument("--seconds", type=float, help="how long each measurement of a rate lasts")
    parser.add_argument("--json", type=Path, help="write the rows to this file instead")
    arguments = parser.parse_args()
    effort = effort_of(quick=arguments.quick, rounds=arguments.rounds, seconds=arguments.seconds)
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        rows = measure(Bench(server, directory, effort))
    if arguments.json:
        arguments.json.write_text(to_json(rows))
        return

    print(as_text(rows))


def effort_of(*, quick: bool, rounds: int | None = None, seconds: float | None = None) -> Effort:
    """Return the effort that the command line asks for."""
    base = QUICK if quick else Effort()
    changes = {
        name: value
        for name, value in (("rounds", rounds), ("seconds", seconds))
        if value is not None
    }
    return Effort(**{**asdict(base), **changes})
