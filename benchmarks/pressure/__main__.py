"""Full load for minutes, with somebody in the way: does the rate hold, and who has to wait?

    python -m benchmarks.pressure [--minutes 10] [--only NAME …] [--json FILE]

Each scenario has a database, an API and a worker of its own, launches over HTTP from 64
connections, as many as the worker executes, and for so many minutes somebody in the way. At its end
both processes are stopped under load. The exit status is 1 if a goal is missed.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.alone import own_directory
from benchmarks.harness.results import Bench, Effort
from benchmarks.pressure.program import Figures, run
from benchmarks.pressure.scenarios import SCENARIOS
from tests.support import databases

MAX_ANSWER_S = 1.0

MAX_STOP_S = 10.0

BASELINE = "baseline"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of each scenario")
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    names = arguments.only or list(SCENARIOS)
    results: dict[str, Figures] = {}
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        bench = Bench(server, directory, Effort())
        for name in names:
            bench.say(f"{name}: {SCENARIOS[name].title}")
            results[name] = run(bench, SCENARIOS[name], 60 * arguments.minutes)
            print(line(name, results), flush=True)
    if arguments.json:
        documents = {name: asdict(figures) for name, figures in results.items()}
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    missed = missed_goals(results)
    for goal in missed:
        print(goal, file=sys.stderr)
    return min(len(missed), 1)


def line(name: str, results: Mapping[str, Figures]) -> str:
    """Return a scenario's figures for a terminal."""
    one = results[name]
    return (
        f"{name:9} {one.rate:6,.0f} runs/s{_ratio(name, results)}"
        f" (first fifth {one.first_rate:,.0f}, last {one.last_rate:,.0f})"
        f"  launches p50 {one.p50_s * 1e3:.0f} ms, p99 {one.p99_s * 1e3:.0f},"
        f" longest {one.max_s * 1e3:,.0f}"
        f"  refused {one.refused}, unanswered {one.unanswered}, lost {one.lost}"
        f"  PostgreSQL {one.processor_us:,.0f} us, {one.wal_bytes:,.0f} B of WAL,"
        f" {one.commits:.2f} commits a run, {one.dead_rows:,} dead rows"
        f"  stopped in {one.stop_s:.1f} s"
    )


def _ratio(name: str, results: Mapping[str, Figures]) -> str:
    if BASELINE not in results or name == BASELINE:
        return ""
    return f", {results[name].rate / results[BASELINE].rate:.2f} of the baseline"


def missed_goals(results: Mapping[str, Figures]) -> Sequence[str]:
    """Return what was to be reached and was not."""
    missed: list[str] = []
    for name, one in results.items():
        least = SCENARIOS[name].least_ratio
        if least is not None and BASELINE in results:
            reached = one.rate / results[BASELINE].rate
            if reached < least:
                missed.append(f"{name}: {reached:.2f} of the baseline, not {least}")
        if one.max_s > MAX_ANSWER_S:
            missed.append(f"{name}: an answer took {one.max_s:.1f} s")
        if one.stop_s > MAX_STOP_S:
            missed.append(f"{name}: stopped in {one.stop_s:.1f} s")
        if one.lost:
            missed.append(f"{name}: {one.lost} accepted launches are lost")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
