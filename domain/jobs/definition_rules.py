"""What of a job's definition is refused, and with which words; and what older ones meant."""

from collections.abc import Collection, Sequence
from typing import Any

from domain.errors import ConflictError, InvalidInputError, Issue
from domain.jobs.limits.rate_limit import RateLimit
from domain.jobs.limits.unique import Unique
from domain.jobs.reserved import BUILT_IN_SLUGS, COMMANDS, ENTRY_POINTS
from domain.json_values import JsonObject, canonical
from domain.personal.marks import MARK
from domain.workers.isolation import Isolation

LAST_VERSION = 2**31 - 1
"""The last one that the tables can hold."""


def job_exists(slug: str) -> ConflictError:
    """Return the answer to whoever registers a job whose slug is taken."""
    return ConflictError("job_exists", f"job {slug} already exists")


def next_version(current: int) -> int:
    """Return the number of the version after this one, or raise ConflictError."""
    if current >= LAST_VERSION:
        message = f"version {LAST_VERSION} is the last one that a job can have"
        raise ConflictError("no_more_versions", message)
    return current + 1


def refuse_given_version(version: int | None, last: int) -> None:
    """Raise InvalidInputError where a version is not above the last before the job was deleted."""
    if version is None or version > last:
        return
    message = (
        f"must be above {last}, the last version before the job was deleted;"
        " left out, it is the next one"
    )
    raise InvalidInputError([Issue("/version", message, "minimum")])


def refuse_deletion(slug: str, *, has_unfinished_runs: bool) -> None:
    """Raise ConflictError where the service needs the job, or its runs do."""
    if slug.lower() in BUILT_IN_SLUGS:
        message = f"the service itself launches runs of {slug}; pause it instead"
        raise ConflictError("job_is_built_in", message)
    if has_unfinished_runs:
        message = (
            "runs of it are pending or running; cancel them or wait for their end:"
            f" GET /job-runs?job={slug}&status=pending,running"
        )
        raise ConflictError("job_has_unfinished_runs", message)


def catalog_issues(
    slug: str, personal: Collection[str], unique: JsonObject | None
) -> list[Issue]:
    """Return what is wrong with personal data, or `unique`, of a built-in job."""
    # Their runs are launched by the service itself, with ids of apps and builds.
    if slug.lower() not in BUILT_IN_SLUGS:
        return []
    issues: list[Issue] = []
    if personal:
        message = f"the parameters of {slug} are no personal data"
        issue = Issue("/parametersSchema", message, MARK)
        issues.append(issue)
    if unique is not None:
        message = f"the service itself launches runs of {slug}; leave it out"
        issues.append(Issue("/unique", message, "not"))
    return issues


def isolation_issues(isolation: Isolation, entry_point: str) -> list[Issue]:
    """Return what is wrong with sharing a process."""
    needs_a_process = entry_point in ENTRY_POINTS or entry_point.startswith(COMMANDS)
    if isolation == "process" or not needs_a_process:
        return []
    message = (
        f"must be process for {entry_point}: built-in handlers and commands start programs,"
        " which end with their attempt's process"
    )
    return [Issue("/isolation", message, "isolation")]


def open_parameters(
    concurrency_key: str | None,
    fairness_key: str | None,
    rate: RateLimit | None,
    unique: Unique | None,
) -> dict[str, str]:
    """Return the parameters by whose values runs are limited, each with what names it."""
    named = {concurrency_key: "/concurrencyKey", fairness_key: "/fairnessKey"}
    if rate is not None:
        named[rate.key] = "/rateLimit/key"
    if unique is not None:
        for name in unique.key:
            named[name] = "/unique/key"
    return {name: path for name, path in named.items() if name is not None}


def differing(changes: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return those of the changes that make a difference."""

    def differs(name: str) -> bool:
        return canonical(changes[name]) != canonical(old[name])

    return {name: new for name, new in changes.items() if differs(name)}


def refuse(issues: Sequence[Issue]) -> None:
    """Raise InvalidInputError if there are any."""
    if issues:
        raise InvalidInputError(list(issues))
