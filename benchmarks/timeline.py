"""Who waits for whom: a stretch of a backlog, as the worker's log writer goes through it.

    python -m benchmarks.timeline [--alone] [--seconds 1] [--ms 25]

A worker executes runs that do nothing, sharing a process (or a process each). Printed is how much
of the time each step of its writer takes, who computes meanwhile, and how much of two cores nobody
uses; then the first milliseconds as a picture. To mark the steps costs some microseconds a run.
"""

import argparse
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from benchmarks.harness.alone import effort_of, own_directory
from benchmarks.harness.processes import python
from benchmarks.harness.results import Bench
from benchmarks.harness.steps import LOCK, PLAN, READ, WAIT, WRITE, Marks
from benchmarks.harness.systems import OURS, SHARED, System, site
from benchmarks.rows.backlog import FIRST, launch_backlog
from tests.support import databases

WARM_UP_S = 2.0

CORES = 2

COLUMNS = 100

LETTERS = {WAIT: ".", LOCK: "L", READ: "r", WRITE: "W", PLAN: "p"}

SHADES = " .:+#"
"""From idle to busy."""

WHO = ("worker", "handlers", "postgresql")


def measure(bench: Bench, system: System, seconds: float) -> Marks:
    """Let a worker execute a backlog; return the marks of a stretch of it."""
    file = bench.directory / "marks.json"
    _, _, _, *command = system.worker
    marked = replace(system, worker=python("benchmarks.harness.steps", str(file), *command))
    with site(bench, marked) as own:
        launch_backlog(own, round(marked.executes * (WARM_UP_S + seconds + 2)))
        with own.worker():
            own.wait_for_completed(FIRST)
            time.sleep(WARM_UP_S + seconds)
    return stretch(Marks.read(file), seconds)


def stretch(marks: Marks, seconds: float) -> Marks:
    """Return the marks of some seconds, after the worker has warmed up."""
    begin = marks.ends[0] + WARM_UP_S
    end = begin + seconds
    return Marks(
        [mark for mark in marks.marks if begin <= mark.at < end],
        [batch for batch in marks.batches if begin <= batch.at < end],
        [at for at in marks.starts if begin <= at < end],
        [at for at in marks.ends if begin <= at < end],
    )


def table(marks: Marks) -> str:
    """Return how much of the time each step takes, and who computes meanwhile."""
    spent = {step: [0.0] * 5 for step in (*LETTERS, "all")}
    for mark, following in pairwise(marks.marks):
        used = [getattr(following, name) - getattr(mark, name) for name in WHO]
        for step in (mark.step, "all"):
            more = (1.0, following.at - mark.at, *used)
            spent[step] = [one + another for one, another in zip(spent[step], more, strict=True)]
    whole_s = marks.marks[-1].at - marks.marks[0].at
    claims = sum(batch.has_claim for batch in marks.batches)
    events = len(marks.starts) + len(marks.ends)
    counted = (
        f"{len(marks.ends) / whole_s:,.0f} runs a second;"
        f" {len(marks.starts) / max(claims, 1):.0f} starts a claim;"
        f" {events / max(len(marks.batches), 1):.0f} events a commit"
    )
    head = "the writer              of the time    each  worker  handlers  PostgreSQL  idle, of two"
    return "\n".join(
        [counted, "", head, *(_line(step, each, whole_s) for step, each in spent.items())]
    )


def _line(step: str, spent: Sequence[float], whole_s: float) -> str:
    number, taken_s, *used_s = spent
    worker, handlers, postgresql = (each / taken_s if taken_s else 0.0 for each in used_s)
    idle = 1 - (worker + handlers + postgresql) / CORES
    each_ms = 1000 * taken_s / number if number else 0.0
    return (
        f"{LETTERS.get(step, ' ')} {step:20}{taken_s / whole_s:13.0%}{each_ms:6.2f}ms{worker:8.0%}"
        f"{handlers:10.0%}{postgresql:12.0%}{idle:14.0%}"
    )


def picture(marks: Marks, ms: float) -> str:
    """Return the first milliseconds: what the writer does, and how busy each is."""
    begin, width_s = marks.marks[0].at, ms / 1000 / COLUMNS
    edges = [begin + width_s * column for column in range(COLUMNS + 1)]
    times = [mark.at for mark in marks.marks]

    def step_at(moment: float) -> str:
        return LETTERS[marks.marks[bisect_right(times, moment) - 1].step]

    def used_by(name: str, moment: float) -> float:
        """Return the processor time used by a moment, as if it grew steadily between marks."""
        after = min(bisect_right(times, moment), len(times) - 1)
        last, following = marks.marks[after - 1], marks.marks[after]
        share = min((moment - last.at) / max(following.at - last.at, 1e-9), 1.0)
        before: float = getattr(last, name)
        used: float = getattr(following, name) - before
        return before + share * used

    claims = [" "] * COLUMNS
    for batch in marks.batches:
        column = int((batch.at - begin) / width_s)
        if batch.has_claim and column < COLUMNS:
            claims[column] = "C"
    lines = [
        f"{ms:.0f} ms; C: a batch with a claim begins; from idle to busy: {SHADES!r}",
        f"{'':11}{''.join(claims)}",
        f"{'writer':11}{''.join(step_at(edge + width_s / 2) for edge in edges[:-1])}",
    ]
    for name in WHO:
        used = [used_by(name, edge) for edge in edges]
        shares = [(after - before) / width_s for before, after in pairwise(used)]
        shades = "".join(SHADES[round(min(share, 1.0) * (len(SHADES) - 1))] for share in shares)
        lines.append(f"{name:11}{shades}")
    return "\n".join(lines)


def main() -> None:
    """Print the table and the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alone", action="store_true", help="each run in a process of its own")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a stretch")
    parser.add_argument("--ms", type=float, default=25.0, help="how much of it as a picture")
    arguments = parser.parse_args()
    system = OURS if arguments.alone else SHARED
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        marks = measure(Bench(server, directory, effort_of(quick=True)), system, arguments.seconds)
    print(table(marks))
    print()
    print(picture(marks, arguments.ms))


if __name__ == "__main__":
    main()
