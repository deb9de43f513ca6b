"""Launching alone: over HTTP, 64 connections, an API and no worker.

Compared with an endpoint that does nothing, and with peers.

    python -m benchmarks.rows.launches [--quick] [--rounds N] [--seconds S] [--json FILE]

Each measurement has a new server and database, so nobody works off what another round has left.
"""

from collections.abc import Callable, Mapping
from functools import partial
from uuid import uuid4

from benchmarks.harness.alone import run_alone
from benchmarks.harness.load import CONNECTIONS, Posted, generator, post_for
from benchmarks.harness.processes import BrokenError, python, ready_url, running
from benchmarks.harness.processors import A_SECOND, API, Rounds, medians, meter
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import BODY, OURS, PATH, System, installed_peers, site

BARE = "an endpoint that does nothing"


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    peers = installed_peers(bench)
    used: Rounds = {}
    measures: dict[str, Callable[[], float]] = {BARE: partial(_bare, bench, used)}
    measures |= {system.label: partial(_launches, bench, system, used) for system in (OURS, *peers)}
    figures = in_turns(bench, measures)
    references = [Reference(BARE, figures[BARE], goal=0.85)]
    references += [Reference(peer.label, figures[peer.label]) for peer in peers]
    return [
        Row(
            "launches",
            f"launches over HTTP, {CONNECTIONS} connections, no worker",
            "/s",
            figures[OURS.label],
            references,
            notes=[f"load by {generator()}"],
            processor=medians(used),
        )
    ]


def _bare(bench: Bench, used: Rounds) -> float:
    log = bench.directory / f"bare-{uuid4().hex}.log"
    with running(python("benchmarks.against.serving"), {}, log) as process:
        url = ready_url(log, process) + PATH
        metered = bench.server, {API: process.pid}
        return _post(bench, url, metered, used.setdefault(BARE, [])).a_second


def _launches(bench: Bench, system: System, used: Rounds) -> float:
    with site(bench, system) as own, own.api() as url:
        metered = own.url, own.pids
        posted = _post(bench, url, metered, used.setdefault(system.label, []))
        launched = own.launched()
    if launched < posted.number:
        raise BrokenError(f"{system.label} answered {posted.number} launches, and has {launched}")
    return posted.a_second


def _post(
    bench: Bench, url: str, metered: tuple[str, Mapping[str, int]], used: list[dict[str, float]]
) -> Posted:
    if bench.effort.warm_up_s:
        post_for(bench.effort.warm_up_s, url, BODY)
    with meter(*metered) as metering:
        posted = post_for(bench.effort.seconds, url, BODY)
        # The tool that posts takes a moment to start, which is not the server's.
        used.append({**metering.read(posted.number), A_SECOND: posted.a_second})
    return posted


if __name__ == "__main__":
    run_alone(measure, __doc__)
