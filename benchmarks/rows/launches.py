"""Launches over HTTP, 64 connections, with a worker at work.

Compared with an endpoint that does nothing, and with peers.

    python -m benchmarks.rows.launches [--quick] [--rounds N] [--seconds S] [--json FILE]

Each measurement has a new server, worker and database, so nobody works off what another round has
left.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from uuid import uuid4

from benchmarks.harness.alone import run_alone
from benchmarks.harness.load import CONNECTIONS, generator, rate
from benchmarks.harness.processes import BrokenError, python, ready_url, running
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import BODY, OURS, PATH, System, installed_peers, post, site

BARE = "an endpoint that does nothing"


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    peers = installed_peers(bench)
    measures: dict[str, Callable[[], float]] = {BARE: partial(_bare, bench)}
    executed: dict[str, list[float]] = {system.label: [] for system in (OURS, *peers)}
    measures |= {
        system.label: partial(_launches, bench, system, executed) for system in (OURS, *peers)
    }
    figures = in_turns(bench, measures)
    references = [Reference(BARE, figures[BARE], goal=0.5)]
    references += [Reference(peer.label, figures[peer.label]) for peer in peers]
    title = f"launches over HTTP, {CONNECTIONS} connections, a worker beside"
    more = {f"{label} executed meanwhile, /s": median(rates) for label, rates in executed.items()}
    return [
        Row(
            "launches",
            title,
            "/s",
            figures[OURS.label],
            references,
            more=more,
            notes=[f"load by {generator()}"],
        )
    ]


def _bare(bench: Bench) -> float:
    log = bench.directory / f"bare-{uuid4().hex}.log"
    with running(python("benchmarks.against.serving"), {}, log) as process:
        return _rate(bench, ready_url(log, process) + PATH)


def _launches(bench: Bench, system: System, executed: dict[str, list[float]]) -> float:
    with site(bench, system) as own, own.api() as url, own.worker():
        post(url)
        own.wait_for_completed(1)  # The worker is at work.
        figure = _rate(bench, url)
        executed[system.label].append(
            own.completed() / (bench.effort.warm_up_s + bench.effort.seconds)
        )
        _check(system, own.launched(), figure * bench.effort.seconds)
    return figure


def _rate(bench: Bench, url: str) -> float:
    if bench.effort.warm_up_s:
        rate(url, BODY, bench.effort.warm_up_s)
    return rate(url, BODY, bench.effort.seconds)


def _check(system: System, launched: int, answered: float) -> None:
    if launched < answered * 0.95:  # The rate times the time is not exact.
        raise BrokenError(f"{system.label} answered {answered:.0f} launches, and has {launched}")


if __name__ == "__main__":
    run_alone(measure, __doc__)
