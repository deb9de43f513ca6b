"""Filters of runs as somebody would read them by hand: one condition, one run, no query."""

import json
from random import Random

from domain import filters
from domain.filters import conditions_of
from domain.ports import Row
from eventlog.history.as_of import Past
from projections.job_runs import RunRow
from projections.rows import Connection
from projections.runs.filters import run_filter

MAX_RUNS = 50
"""Runs that are asked for."""

STATUSES = ("pending", "running", "succeeded", "failed", "canceled", "expired")


def lets_pass(text: str, run: Row, job: Row) -> bool:
    """Return whether a condition such as `status!=failed` holds of a run and its job."""
    name, _, value = text.partition("=")
    holds = _holds(name.removesuffix("!"), value, run, job)
    return holds != name.endswith("!")


def _holds(name: str, value: str, run: Row, job: Row) -> bool:  # noqa: PLR0911, PLR0912 - one for each
    several = value.split(",")
    match name:
        case "status":
            return run["status"] in several
        case "job":
            return str(job["slug"]).lower() in [slug.lower() for slug in several]
        case "runtime":
            return job["runtime"] in several
        case "moduleId":
            binding = job["module_binding"]
            return isinstance(binding, dict) and binding["moduleId"] in several
        case "actor":
            return run["requested_by"] in several
        case "worker":
            started_by = run["started_by"]
            return isinstance(started_by, dict) and not started_by.keys().isdisjoint(several)
        case "failure":
            return run["completed_at"] is not None and run["failure_reason"] in several
        case "label.zone":
            labels = job["worker_labels"]
            assert isinstance(labels, dict)
            return labels.get("zone") in several
        case "createdAfter":
            return str(run["created_at"]) >= value
        case "createdBefore":
            return str(run["created_at"]) < value
        case "endedAfter" | "endedBefore" | "minDurationMs" | "maxDurationMs" | "error":
            return run["completed_at"] is not None and _ended_so(name, value, run)
        case "search":
            named = f"{job['slug']}\n{job['name']}".lower()
            return value.lower() in named or str(run["id"]).startswith(value.lower())
        case _:
            parameters = run["parameters"]
            assert isinstance(parameters, dict)
            name = name.removeprefix("parameters.")
            return name in parameters and _is(parameters[name], value)


def _ended_so(name: str, value: str, run: Row) -> bool:
    if name == "error":
        return value.lower() in str(run["error_message"] or "").lower()
    if name == "endedAfter":
        return str(run["completed_at"]) >= value
    if name == "endedBefore":
        return str(run["completed_at"]) < value
    took = run["duration_ms"]
    if not isinstance(took, int):
        return False
    return took >= int(value) if name == "minDurationMs" else took <= int(value)


def _is(stored: object, value: str) -> bool:
    if stored == value:
        return True
    try:
        expected = json.loads(value)
    except ValueError:
        return False
    return json.dumps(stored, sort_keys=True) == json.dumps(expected, sort_keys=True)


async def filtered(connection: Connection, past: Past, texts: list[str]) -> list[RunRow]:
    """Return the newest runs that conditions let pass, as they are asked for by clients."""
    conditions = conditions_of(filters.read(texts, "/filter"))
    parsed_filter = await run_filter(connection, past, conditions)
    if parsed_filter is None:
        return []
    runs, _ = await past.runs(parsed_filter, MAX_RUNS, 0)
    return runs


def any_filter(random: Random, runs: list[Row], slugs: tuple[str, ...]) -> list[str]:
    """Return some conditions, most of which let some of the runs pass."""
    one = random.choice(runs)
    parameters = one["parameters"]
    assert isinstance(parameters, dict)
    number = parameters.get("number", 7)
    ended = str(one["completed_at"] or one["created_at"])
    message = str(one["error_message"] or "A")
    started_by = one["started_by"] or {"nobody": 0}
    assert isinstance(started_by, dict)
    names = random.sample(
        [
            ("status", ",".join(random.sample(STATUSES, random.choice((1, 2, 5))))),
            ("job", ",".join(random.sample(slugs, 2)).swapcase()),
            ("runtime", random.choice(("python", "docker,node"))),
            ("moduleId", random.choice(("reports", "reports,others"))),
            ("actor", random.choice(("tester", "another", "tester,another"))),
            ("label.zone", random.choice(("eu", "us,eu", "us"))),
            ("failure", random.choice(("error", "handler,execution_timeout"))),
            ("worker", ",".join(started_by)),
            ("search", random.choice((str(one["id"])[:8], slugs[0][:3], "b"))),
            ("createdAfter", str(one["created_at"])),
            ("createdBefore", str(one["created_at"])),
            ("endedAfter", ended),
            ("endedBefore", ended),
            ("minDurationMs", str(one["duration_ms"] or 0)),
            ("maxDurationMs", str(one["duration_ms"] or 0)),
            ("error", message[:4].swapcase()),
            ("parameters.number", str(number)),
            ("parameters.nothing", "null"),
        ],
        random.choice((1, 1, 2, 3)),
    )
    return [f"{name}{random.choice(('', '!'))}={value}" for name, value in names]
