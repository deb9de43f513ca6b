"""The phases of an idle launch, from the request to the first line of the handler.

    python -m benchmarks.rows.start_phases [--launches N]

The service and its worker run with marks (`benchmarks.harness.marks`). A phase lasts from the mark
before to its own; shown is the median of all launches, in milliseconds and in times of the least
that a durable queue does, measured in the same run, beside the phase's limit in the same unit. The
limits add up to nine tenths of the faster peer's whole way.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import psycopg

from benchmarks.harness.alone import own_directory
from benchmarks.harness.marks import command, read_marks
from benchmarks.harness.processes import BrokenError
from benchmarks.harness.results import QUICK, Bench
from benchmarks.harness.systems import OURS, PATH, SLOTS, register, site
from benchmarks.rows.starts import JOB, SLUG, Poster, commits_ms, pause, started_ns
from tests.support import databases

HANDLER = "handler"
"""The last mark, which the handler itself returns."""


@dataclass(frozen=True)
class Phase:
    """A part of the way.

    Attributes:
        mark: at its end.
        limit: in times of two commits and a notification.
    """

    title: str
    mark: str
    limit: float


PHASES = (
    Phase("the request reaches its route", "serve routed begun", 0.2),
    Phase("API: decided, and its turn to write", "serve prepared begun", 0.15),
    Phase("API: the lock, heads and a position", "serve read ended", 0.25),
    Phase("API: rows and statements made", "serve committed begun", 0.1),
    Phase("committed, and heard by the worker", "worker notified", 0.65),
    Phase("worker: its turn to write", "worker prepared begun", 0.15),
    Phase("worker: the lock, the queue and the run", "worker read ended", 0.35),
    Phase("worker: decided, rows and statements made", "worker committed begun", 0.2),
    Phase("worker: committed", "worker committed ended", 0.5),
    Phase("worker: handed over", "worker handed over", 0.1),
    Phase("the handler's first line", HANDLER, 0.1),
)
"""In their order; each mark is the first of its name after the one before."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--launches", type=int, default=200, help="how many are followed")
    arguments = parser.parse_args()
    effort = replace(QUICK, samples=arguments.launches)
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        bench = Bench(server, directory, effort)
        print("\n".join(lines(phases_ms(bench), commits_ms(bench))))


def lines(ways: Sequence[Sequence[float]], commits: float) -> Iterator[str]:
    """Yield a line for each phase, and one for the whole.

    Args:
        ways: the milliseconds of each phase, by launch.
        commits: those of two commits and a notification.
    """
    yield f"{'':44}{'ms':>7}{'times':>8}{'limit':>8}"
    for phase, took in zip(PHASES, zip(*ways, strict=True), strict=True):
        yield _line(phase.title, median(took), commits, phase.limit)
    limit = sum(phase.limit for phase in PHASES)
    yield _line("all", median(map(sum, ways)), commits, limit)
    yield _line("two commits and a NOTIFY", commits, commits)


def _line(title: str, took: float, commits: float, limit: float | None = None) -> str:
    limit_ms = "" if limit is None else f"{limit:.2f}"
    return f"{title:44}{took:7.2f}{took / commits:8.2f}{limit_ms:>8}"


def phases_ms(bench: Bench) -> list[list[float]]:
    """Return the milliseconds of each phase, by launch."""
    file = bench.directory / "marks"
    serve = command(file, "cli", "serve", "--port", "0")
    work = ("worker", "--handlers", "benchmarks.handlers", "--slots", str(SLOTS))
    marked = replace(OURS, api=serve, worker=command(file, "cli", *work))
    launches: list[tuple[int, int]] = []
    with (
        site(bench, marked) as own,
        own.api() as url,
        own.worker(),
        psycopg.connect(own.url, autocommit=True) as connection,
    ):
        register(url.removesuffix(PATH), SLUG, JOB)
        with Poster(url) as poster:
            for _ in range(bench.effort.samples + 1):
                poster.connect()
                pause()
                sent_ns = time.monotonic_ns()
                run_id = poster.launch()
                launches.append((sent_ns, started_ns(connection, run_id)))
    # The first waits for the worker to come up.
    times = read_marks(file)
    return [way_ms(times, *launch) for launch in launches[1:]]


def way_ms(times: Mapping[str, Sequence[int]], sent_ns: int, handler_ns: int) -> list[float]:
    """Return the milliseconds of each phase of one launch.

    Raises:
        BrokenError: a mark is missing.
    """
    took: list[float] = []
    before_ns = sent_ns
    for phase in PHASES:
        if phase.mark == HANDLER:
            at_ns = handler_ns
        else:
            marked = times.get(phase.mark, ())
            at_ns = min((at for at in marked if before_ns <= at <= handler_ns), default=0)
        if not at_ns:
            raise BrokenError(f"nothing was marked at the end of {phase.title!r}")
        took.append((at_ns - before_ns) / 1e6)
        before_ns = at_ns
    return took


if __name__ == "__main__":
    main()
