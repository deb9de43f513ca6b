"""Requests about runs, and how their answers are read; shared by both clients."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

from apphub_jobs.client.documents import FINAL, Document, RunDocument, RunStatus
from apphub_jobs.client.requests.request import Request, key_header, past, reading, run_path

T = TypeVar("T")

MOST_ON_A_PAGE = 50


class ReasonDocument(Document):
    """One thing that keeps a run from starting, or that it ended by."""

    @property
    def code(self) -> str:
        """A stable word, such as `job_limit`."""
        return str(self["code"])

    @property
    def message(self) -> str:
        """The same for people, with what to do."""
        return str(self["message"])

    @property
    def binding(self) -> bool:
        """Whether the run cannot start as long as this is so."""
        return bool(self["binding"])

    @property
    def since(self) -> datetime | None:
        """When it began to be so, where that is known."""
        return self._time_or_none("since")

    @property
    def details(self) -> Mapping[str, Any]:
        """The evidence."""
        return cast("Mapping[str, Any]", self["details"])


class ExplanationDocument(Document):
    """Why a run waits, or how it ended."""

    @property
    def status(self) -> RunStatus:
        """What the run did at that moment."""
        return cast("RunStatus", self["status"])

    @property
    def summary(self) -> str:
        """All of it in a sentence."""
        return str(self["summary"])

    @property
    def reasons(self) -> list[ReasonDocument]:
        """Each thing that keeps it, in the order in which a claim asks for them."""
        return [ReasonDocument(reason) for reason in self["reasons"]]

    @property
    def next_change_at(self) -> datetime | None:
        """The next moment known beforehand at which this changes, where there is one."""
        return self._time_or_none("nextChangeAt")

    @property
    def unknown(self) -> list[str]:
        """What is not known of that moment."""
        return list(self["unknown"])


def explained(run_id: str, as_of: int | datetime | None) -> Request:
    """Ask why a run waits, or how it ended."""
    return reading(run_path(run_id, "explain"), asOf=past(as_of))


def shown(run_id: str, part: str | None = None) -> Request:
    """Ask for a run, or for a part of it."""
    return reading(run_path(run_id, part))


def page(  # noqa: PLR0913 - one for each part of the query
    job: str | None,
    status: str | Sequence[str] | None,
    search: str | None,
    where: Sequence[str],
    cursor: str | None,
    as_of: int | datetime | None,
) -> Request:
    """Ask for a page of runs."""
    statuses = status
    if status is not None and not isinstance(status, str):
        statuses = ",".join(status)
    page = reading(
        "/job-runs",
        job=job,
        status=statuses,
        search=search,
        cursor=cursor,
        limit=MOST_ON_A_PAGE,
        asOf=past(as_of),
    )
    query = {**page.query}
    for name, values in _conditions(where).items():
        said = query.get(name)
        query[name] = [*values] if said is None else [said, *values]
    return replace(page, query=query)


def _conditions(where: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return conditions such as `status!=failed` as a query's parameters: `status!`."""
    found: dict[str, list[str]] = {}
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals:
            msg = f"{condition!r} is no condition: write NAME=VALUE or NAME!=VALUE"
            raise ValueError(msg)
        found.setdefault(name, []).append(value)
    return found


def canceled(run_id: str, reason: str | None) -> Request:
    """Ask to cancel a run; asking again is the same."""
    body = {}
    if reason is not None:
        body["reason"] = reason
    return Request(method="POST", path=run_path(run_id, "cancel"), body=body)


def retried(run_id: str, idempotency_key: str | None) -> Request:
    """Ask for a new run; asked again under the same key, it is the same one."""
    return Request(
        method="POST", path=run_path(run_id, "retry"), headers=key_header(idempotency_key)
    )


def ends_of(slug: str) -> Mapping[str, str]:
    """Return the query of a stream of the ends of a job's runs."""
    types = [f"job.run.{status}" for status in sorted(FINAL)]
    return {"types": ",".join(types), "job": slug}


def not_ended(run: RunDocument, timeout_s: float | None) -> str:
    """Return what to say of a run that takes longer than somebody waits."""
    return (
        f"run {run.id} of {run.slug} is {run.status} after {timeout_s:g} s; it goes on,"
        " wait again or cancel it"
    )


def validated(result: Any, model: type[T]) -> T:
    """Return a result as a type says.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    # Here, for it takes long to import.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(model).validate_json(json.dumps(result))
