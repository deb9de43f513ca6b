"""How long `up` takes from the command until it is ready: API, worker and a private PostgreSQL.

    python -m benchmarks.rows.starting_up [--quick] [--rounds N] [--json FILE]

On a data directory that is there, as at each start but the first; and on a new one, where the
database is made first.
"""

from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import python, ready_url, running
from benchmarks.harness.results import Bench, Row, in_turns

MAX_S = 2.5

AGAIN = "again"

NEW = "new"


def measure(bench: Bench) -> list[Row]:
    """Measure both kinds of start."""
    known = bench.directory / "up-again"
    _ready_s(known)
    numbers = iter(range(bench.effort.rounds))

    def on_new() -> float:
        return _ready_s(bench.directory / f"up-new-{next(numbers)}")

    figures = in_turns(bench, {AGAIN: lambda: _ready_s(known), NEW: on_new})
    return [
        Row(
            name="up",
            title="`up` until it is ready",
            unit="s",
            rounds=figures[AGAIN],
            lower_is_better=True,
            limit=MAX_S,
            more={"on a new data directory, s": median(figures[NEW])},
        )
    ]


def _ready_s(data_dir: Path) -> float:
    command = python("apphub_jobs", "up", "--port", "0", "--data-dir", str(data_dir))
    log = data_dir.with_suffix(".log")
    log.unlink(missing_ok=True)
    began = perf_counter()
    with running(command, {}, log) as process:
        ready_url(log, process)
        return perf_counter() - began


if __name__ == "__main__":
    run_alone(measure, __doc__)
