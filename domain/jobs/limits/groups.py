"""With which others a run counts, where its job has limits by the values of a parameter."""

from domain.errors import Issue
from domain.jobs.definition import Spec
from domain.json_values import JsonObject, canonical, escape

MAX_KEY_BYTES = 1_000
"""A value as JSON: an index holds it, whose entries end below 2 704 bytes."""

RATE = "rate"
"""The runs that `rateLimit` counts together."""

FAIR = "fair"
"""The runs of which `fairnessKey` lets one start in each round."""

UNIQUE_UNTIL = "unique_until_"
"""The runs of which `unique` lets one be, until its start or its end: `unique_until_start`,
`unique_until_end`."""

WHOLE_JOB = ""
"""Stands for the value where all runs of a job count together, or a run has none."""


def concurrency_value(spec: Spec, parameters: JsonObject) -> str | None:
    """Return what few runs of one job may share while running, as canonical JSON.

    None: nothing binds them.
    """
    return _value(spec.concurrency_key, parameters)


def groups_of(spec: Spec, parameters: JsonObject) -> dict[str, str]:
    """Return by the kind of limit the value by which a run counts; a run without one is free."""
    groups: dict[str, str] = {}
    if spec.rate is not None:
        value: str | None = WHOLE_JOB
        if spec.rate.key is not None:
            value = _value(spec.rate.key, parameters)
        if value is not None:
            groups[RATE] = value
    if spec.fairness_key is not None:
        fair = _value(spec.fairness_key, parameters)
        groups[FAIR] = WHOLE_JOB if fair is None else fair
    unique = spec.uniqueness
    if unique is not None:
        name = f"{UNIQUE_UNTIL}{unique.until}"
        groups[name] = unique.value(parameters)
    return groups


def counts_by(name: str | None, value: str | None, parameters: JsonObject) -> bool:
    """Return whether this parameter gives the value, by which a run counts since its launch.

    Since then the job may have been revised. None names no parameter: all runs count together.
    """
    if name is None:
        return value == WHOLE_JOB
    return value == _value(name, parameters)


def key_issues(spec: Spec, parameters: JsonObject) -> list[Issue]:
    """Return what is wrong with the values by which the job's runs are limited."""
    issues: list[Issue] = []
    for name in spec.open_parameters:
        value = _value(name, parameters)
        if value is None or len(value.encode()) <= MAX_KEY_BYTES:
            continue
        key = escape(name)
        message = (
            f"runs are limited by this, so it has at most {MAX_KEY_BYTES} bytes as JSON"
        )
        issue = Issue(f"/parameters/{key}", message, "maxLength")
        issues.append(issue)
    if spec.uniqueness is not None:
        issues += spec.uniqueness.value_issues(parameters)
    return issues


def _value(name: str | None, parameters: JsonObject) -> str | None:
    if name is None or name not in parameters:
        return None
    return canonical(parameters[name]).decode()
