"""Requests about runs, and the documents and messages of their answers; for both clients."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast

from apphub_jobs.client.documents import (
    FINAL,
    BulkDocument,
    Document,
    FailureDocument,
    RunDocument,
    RunStatus,
)
from apphub_jobs.client.requests.request import (
    Request,
    as_of_parameter,
    get,
    idempotency_header,
    list_parameter,
    reason_body,
    run_path,
)

T = TypeVar("T")

PAGE_SIZE = 50


class ReasonDocument(Document):
    """One reason why a run waits, or why it ended as it did."""

    @property
    def code(self) -> str:
        """A stable identifier, such as `job_limit`."""
        return str(self["code"])

    @property
    def message(self) -> str:
        """A sentence for people, with what to do."""
        return str(self["message"])

    @property
    def binding(self) -> bool:
        """Whether the run cannot start while this holds."""
        return bool(self["binding"])

    @property
    def since(self) -> datetime | None:
        """When it began to hold; None if that is not recorded."""
        return self._time_or_none("since")

    @property
    def details(self) -> Mapping[str, Any]:
        """The numbers and names that support it."""
        return cast("Mapping[str, Any]", self["details"])


class ExplanationDocument(Document):
    """Why a run waits, or how it ended."""

    @property
    def status(self) -> RunStatus:
        """The run's status at that moment."""
        return cast("RunStatus", self["status"])

    @property
    def summary(self) -> str:
        """The whole explanation in one sentence."""
        return str(self["summary"])

    @property
    def reasons(self) -> list[ReasonDocument]:
        """The reasons, in the order in which a claim checks them."""
        return [ReasonDocument(reason) for reason in self["reasons"]]

    @property
    def next_change_at(self) -> datetime | None:
        """The next time at which this is certain to change, if there is one."""
        return self._time_or_none("nextChangeAt")

    @property
    def unknown(self) -> list[str]:
        """Facts that cannot be determined for that moment."""
        return list(self["unknown"])


class RelatedDocument(Document):
    """What belongs to a run: its failure group, its repeats, and what launched it."""

    @property
    def failure_group(self) -> FailureDocument | None:
        """The group of its failure; None if it did not fail, or did so a moment ago."""
        group = self["failureGroup"]
        return None if group is None else FailureDocument(group)

    @property
    def retries(self) -> list[RunDocument]:
        """The runs that were launched to repeat it, newest first."""
        return [RunDocument(run) for run in self["retries"]]

    @property
    def bulk_operation(self) -> BulkDocument | None:
        """The bulk operation that launched it; None if none did."""
        operation = self["bulkOperation"]
        return None if operation is None else BulkDocument(operation)


def explain(run_id: str, as_of: int | datetime | None) -> Request:
    """Explain why a run waits, or how it ended."""
    return get(run_path(run_id, "explain"), asOf=as_of_parameter(as_of))


def related(run_id: str, limit: int) -> Request:
    """Read what belongs to a run."""
    return get(run_path(run_id, "related"), limit=limit)


def show(run_id: str, part: str | None = None) -> Request:
    """Read a run, or one of its subresources, such as `events`."""
    return get(run_path(run_id, part))


def page(  # noqa: PLR0913 - one for each part of the query
    job: str | None,
    status: str | Sequence[str] | None,
    search: str | None,
    worker: str | None,
    where: Sequence[str],
    as_of: int | datetime | None,
    sort: str,
) -> Request:
    """Read the first page of runs.

    Raises:
        ValueError: a condition has no `=`.
    """
    page = get(
        "/job-runs",
        job=job,
        status=list_parameter(status),
        search=search,
        worker=worker,
        limit=PAGE_SIZE,
        asOf=as_of_parameter(as_of),
        sort=None if sort == "created" else sort,
    )
    query = {**page.query}
    for name, values in _conditions(where).items():
        query[name] = [query[name], *values] if name in query else [*values]
    return replace(page, query=query)


def _conditions(where: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return conditions as query parameters: `status!=failed` becomes `failed` for `status!`."""
    conditions: dict[str, list[str]] = {}
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals:
            msg = f"{condition!r} is no condition: write NAME=VALUE or NAME!=VALUE"
            raise ValueError(msg)
        conditions.setdefault(name, []).append(value)
    return conditions


def cancel(run_id: str, reason: str | None) -> Request:
    """Cancel a run; idempotent."""
    return Request(method="POST", path=run_path(run_id, "cancel"), body=reason_body(reason))


def retry(
    run_id: str, parameters: Mapping[str, Any] | None, idempotency_key: str | None
) -> Request:
    """Retry a run as a new run; repeatable by its idempotency key."""
    body = None if parameters is None else {"parameters": dict(parameters)}
    headers = idempotency_header(idempotency_key)
    return Request(method="POST", path=run_path(run_id, "retry"), body=body, headers=headers)


def final_events_query(slug: str) -> Mapping[str, str]:
    """Return the query of a stream of the events that end a job's runs."""
    types = [f"job.run.{status}" for status in sorted(FINAL)]
    return {"types": ",".join(types), "job": slug}


def wait_timeout_message(run: RunDocument, timeout_s: float | None) -> str:
    """Return the message of the error that ends a `wait` in time."""
    return (
        f"run {run.id} of {run.slug} is {run.status} after {timeout_s:g} s; it goes on,"
        " wait again or cancel it"
    )


def validate_result(result: Any, model: type[T]) -> T:
    """Return a result as an instance of a type.

    Raises:
        pydantic.ValidationError: the result does not fit the type.
    """
    # Imported here, as it takes long.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(model).validate_json(json.dumps(result))
