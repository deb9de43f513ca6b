"""The service's JSON documents: dictionaries with a typed property for each field.

First runs, jobs and messages of the stream, then bulk operations, failure groups and schedules.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NoReturn, cast

from apphub_jobs.contract import Json
from apphub_jobs.details import DefinitionDetails, parse_time
from apphub_jobs.errors import MissingFieldError

RunOrder = Literal["created", "started", "ended", "duration"]

LogStream = Literal["stdout", "stderr"]

RunStatus = Literal["pending", "running", "succeeded", "failed", "canceled", "expired"]

FINAL = frozenset({"succeeded", "failed", "canceled", "expired"})
"""The statuses of runs that have ended."""


class Document(dict[str, Any]):
    """A JSON object of the service. Fields that newer versions add can be read by key."""

    def __missing__(self, name: str) -> NoReturn:
        raise MissingFieldError(name)

    def _time(self, name: str) -> datetime:
        return parse_time(self[name])

    def _time_or_none(self, name: str) -> datetime | None:
        text: str | None = self[name]
        return None if text is None else parse_time(text)


class RunDocument(Document):
    """A run, as of the service's answer."""

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self["id"])

    @property
    def slug(self) -> str:
        """The job's slug."""
        return str(self["slug"])

    @property
    def job_definition_id(self) -> str:
        """The id of the job's definition."""
        return str(self["jobDefinitionId"])

    @property
    def definition_version(self) -> int:
        """The version of the definition that the run is pinned to."""
        return cast("int", self["definitionVersion"])

    @property
    def status(self) -> RunStatus:
        """The run's status."""
        return cast("RunStatus", self["status"])

    @property
    def is_final(self) -> bool:
        """Whether the run has ended, so that it does not change any more."""
        return self["status"] in FINAL

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters, with the job's defaults."""
        return cast("Mapping[str, Any]", self["parameters"])

    @property
    def result(self) -> Any:
        """The result; None until the run has succeeded."""
        return self["result"]

    @property
    def error_message(self) -> str | None:
        """Why the run, or its last attempt, did not succeed."""
        return cast("str | None", self["errorMessage"])

    @property
    def failure_reason(self) -> str | None:
        """The kind of failure as a stable identifier: `error`, `exit`, `execution_timeout`, …."""
        return cast("str | None", self["failureReason"])

    @property
    def logs_url(self) -> str | None:
        """The address of the log."""
        return cast("str | None", self["logsUrl"])

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Measured resource usage, and metrics that the handler reported."""
        return self["metrics"] or {}

    @property
    def context(self) -> Mapping[str, Any]:
        """The context of the launch, merged with what the handler reported."""
        return self["context"] or {}

    @property
    def progress(self) -> float | None:
        """The fraction done, from 0 to 1; None if the handler reports no progress."""
        return self.metrics.get("progress")

    @property
    def timeout_ms(self) -> int | None:
        """How long one attempt may run; None if there is no limit."""
        return cast("int | None", self["timeoutMs"])

    @property
    def attempt(self) -> int:
        """The number of the current, next or last attempt: 1 for the first."""
        return cast("int", self["attempt"])

    @property
    def max_attempts(self) -> int:
        """The maximum number of attempts."""
        return cast("int", self["maxAttempts"])

    @property
    def priority(self) -> int:
        """Runs of higher priority start first."""
        return cast("int", self["priority"])

    @property
    def duration_ms(self) -> int | None:
        """How long the last attempt ran."""
        return cast("int | None", self["durationMs"])

    @property
    def scheduled_at(self) -> datetime:
        """When the run is due, or its next attempt."""
        return self._time("scheduledAt")

    @property
    def started_at(self) -> datetime | None:
        """When the last attempt started."""
        return self._time_or_none("startedAt")

    @property
    def completed_at(self) -> datetime | None:
        """When the run ended."""
        return self._time_or_none("completedAt")

    @property
    def cancel_requested_at(self) -> datetime | None:
        """When cancellation was requested."""
        return self._time_or_none("cancelRequestedAt")

    @property
    def created_at(self) -> datetime:
        """When the run was launched."""
        return self._time("createdAt")

    @property
    def updated_at(self) -> datetime:
        """When the run changed last."""
        return self._time("updatedAt")

    @property
    def idempotency_key(self) -> str | None:
        """The idempotency key of the launch."""
        return cast("str | None", self["idempotencyKey"])

    @property
    def requested_by(self) -> str:
        """The principal that launched the run."""
        return str(self["requestedBy"])


class JobDocument(Document, DefinitionDetails):
    """A job: the newest version of its definition."""

    @property
    def id(self) -> str:
        """The definition's id."""
        return str(self["id"])

    @property
    def parameters_schema(self) -> Mapping[str, Any]:
        """The JSON Schema of the parameters."""
        return cast("Mapping[str, Any]", self["parametersSchema"])

    @property
    def default_parameters(self) -> Mapping[str, Any]:
        """The values of parameters that a launch may leave out."""
        return cast("Mapping[str, Any]", self["defaultParameters"])

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema of results; None if any result is valid."""
        return cast("Mapping[str, Any] | None", self["outputSchema"])

    @property
    def runtime(self) -> str:
        """The runtime of the handler, such as `python`."""
        return str(self["runtime"])

    @property
    def module_binding(self) -> Mapping[str, Any] | None:
        """The platform's module that the job belongs to, with its `moduleId`."""
        return cast("Mapping[str, Any] | None", self.get("moduleBinding"))

    @property
    def owner(self) -> str | None:
        """The owner that keeps the job in files (`apphub-jobs apply --owner`); None without one."""
        return cast("str | None", self.get("owner"))

    @property
    def max_concurrent_runs(self) -> int | None:
        """The maximum number of runs at a time; None if there is no limit."""
        return cast("int | None", self["maxConcurrentRuns"])

    @property
    def concurrency_key(self) -> str | None:
        """The parameter whose values limit concurrency, by `concurrency_limit` each."""
        return cast("str | None", self["concurrencyKey"])

    @property
    def concurrency_limit(self) -> int:
        """The maximum number of concurrent runs with the same value of `concurrency_key`."""
        return cast("int", self.get("concurrencyLimit", 1))

    @property
    def worker_labels(self) -> Mapping[str, str]:
        """Labels that a worker must have to execute its runs."""
        return cast("Mapping[str, str]", self.get("workerLabels", {}))

    @property
    def rate_limit(self) -> dict[str, Any] | None:
        """How many runs may start within a period: `limit`, `periodMs`, and an optional `key`."""
        return cast("dict[str, Any] | None", self.get("rateLimit"))

    @property
    def fairness_key(self) -> str | None:
        """The parameter whose values are served round-robin, at equal priority."""
        return cast("str | None", self.get("fairnessKey"))

    @property
    def retention(self) -> dict[str, Any] | None:
        """How long after their end runs are archived, by outcome: `succeededMs`, `failedMs`, …."""
        return cast("dict[str, Any] | None", self.get("retention"))

    @property
    def unique(self) -> dict[str, Any] | None:
        """Which runs count as duplicates: `key`, `until`, `onConflict`."""
        return cast("dict[str, Any] | None", self.get("unique"))

    @property
    def start_deadline_ms(self) -> int | None:
        """How long after it is due a run may start; then it expires."""
        return cast("int | None", self["startDeadlineMs"])

    @property
    def priority(self) -> int:
        """Runs of higher priority start first."""
        return cast("int", self["priority"])

    @property
    def paused(self) -> Mapping[str, Any] | None:
        """If the job is paused: when (`at`), the principal (`by`), and the `reason`."""
        return self.get("paused")  # Older services have no pauses.

    @property
    def description(self) -> str | None:
        """What the job does, from its metadata."""
        metadata = self["metadata"]
        if isinstance(metadata, dict):
            return metadata.get("description")
        return None

    @property
    def created_at(self) -> datetime:
        """When the job was registered."""
        return self._time("createdAt")

    @property
    def updated_at(self) -> datetime:
        """When its newest version was registered."""
        return self._time("updatedAt")


class Message(Document):
    """A message of the event stream."""

    @property
    def type(self) -> str:
        """The type, such as `job.run.succeeded`."""
        return str(self["type"])

    @property
    def data(self) -> Mapping[str, Any]:
        """The subject as of the event: a `run`, `job`, `repository` or another."""
        return cast("Mapping[str, Any]", self["data"])

    @property
    def is_event(self) -> bool:
        """Whether it carries an event; heartbeats and acknowledgements do not."""
        return "eventId" in self

    @property
    def run(self) -> RunDocument | None:
        """The run as of the event; None in messages about other subjects."""
        run = self.data.get("run")
        return None if run is None else RunDocument(run)

    @property
    def position(self) -> int:
        """The event's position in the log; a stream can resume after it."""
        return cast("int", self["position"])

    @property
    def occurred_at(self) -> datetime:
        """When the event occurred."""
        return self._time("occurredAt")


BulkAction = Literal["cancel", "retry", "rerun"]

BulkStatus = Literal["running", "completed", "aborted"]


class RefusalDocument(Document):
    """A run that a bulk operation could not change."""

    @property
    def run(self) -> str:
        """The run's id."""
        return str(self["run"])

    @property
    def code(self) -> str:
        """Why, as a stable identifier."""
        return str(self["code"])

    @property
    def why(self) -> str:
        """Why, as a sentence for people."""
        return str(self["why"])


class BulkDocument(Document):
    """A bulk operation, as of the service's answer."""

    @property
    def id(self) -> str:
        """The operation's id."""
        return str(self["id"])

    @property
    def action(self) -> BulkAction:
        """What the operation does to each run."""
        return cast("BulkAction", self["action"])

    @property
    def filter(self) -> list[str]:
        """The conditions that select the runs, such as `job=report`."""
        return list(self["filter"])

    @property
    def reason(self) -> str:
        """Why, in the words of the principal that started it."""
        return str(self["reason"])

    @property
    def status(self) -> BulkStatus:
        """Whether the operation runs, has completed or was aborted."""
        return cast("BulkStatus", self["status"])

    @property
    def is_over(self) -> bool:
        """Whether the operation has completed or was aborted."""
        return self.status != "running"

    @property
    def total(self) -> int:
        """How many runs were selected."""
        return cast("int", self["total"])

    @property
    def done(self) -> int:
        """How many runs were changed."""
        return cast("int", self["done"])

    @property
    def refused(self) -> int:
        """How many runs could not be changed."""
        return cast("int", self["refused"])

    @property
    def refusals(self) -> list[RefusalDocument]:
        """The first runs that could not be changed."""
        return [RefusalDocument(refusal) for refusal in self["refusals"]]

    @property
    def patch(self) -> Mapping[str, Json] | None:
        """Parameters that override those of the runs that are repeated; None if there are none."""
        return cast("Mapping[str, Json] | None", self["patch"])

    @property
    def requested_by(self) -> str:
        """The principal that started the operation."""
        return str(self["requestedBy"])

    @property
    def position(self) -> int:
        """The log position as of which the runs were selected."""
        return cast("int", self["position"])


class BulkPreviewDocument(Document):
    """Which runs a bulk operation would change."""

    @property
    def count(self) -> int:
        """How many runs were selected."""
        return cast("int", self["count"])

    @property
    def position(self) -> int:
        """The log position as of which the runs were selected."""
        return cast("int", self["position"])

    @property
    def sample(self) -> list[RunDocument]:
        """The newest selected runs."""
        return [RunDocument(run) for run in self["sample"]]

    @property
    def refused(self) -> list[RefusalDocument]:
        """Those of the newest hundred that could not be changed."""
        return [RefusalDocument(refusal) for refusal in self["refused"]]


FailureStatus = Literal["open", "resolved", "ignored"]


class FailureDocument(Document):
    """A failure group, as of the service's answer."""

    @property
    def fingerprint(self) -> str:
        """The group's identifier."""
        return str(self["fingerprint"])

    @property
    def title(self) -> str:
        """The error message, with placeholders for what varies."""
        return str(self["title"])

    @property
    def job(self) -> str:
        """The job's slug."""
        return str(self["job"])

    @property
    def status(self) -> FailureStatus:
        """Whether the group is open, resolved or ignored."""
        return cast("FailureStatus", self["status"])

    @property
    def count(self) -> int:
        """How many attempts failed, of runs that have not succeeded since."""
        return cast("int", self["count"])

    @property
    def first_at(self) -> datetime:
        """When the first attempt failed."""
        return self._time("firstAt")

    @property
    def last_at(self) -> datetime:
        """When the last attempt failed."""
        return self._time("lastAt")

    @property
    def affected_versions(self) -> list[int]:
        """The newest hundred versions of the job in which attempts failed."""
        return cast("list[int]", self["affectedVersions"])

    @property
    def sample_run(self) -> str:
        """The id of the run that failed last."""
        return str(self["sampleRun"])


Outcome = Literal["launched", "skipped", "buffered"]


class ScheduleDocument(Document):
    """A schedule, as of the service's answer."""

    @property
    def id(self) -> str:
        """The schedule's id."""
        return str(self["id"])

    @property
    def version(self) -> int:
        """Its version; each change adds 1."""
        return cast("int", self["version"])

    @property
    def job(self) -> str:
        """The slug of the job that it launches."""
        return str(self["job"])

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its runs that differ from the job's defaults."""
        return cast("Mapping[str, Any]", self["parameters"])

    @property
    def cron(self) -> str | None:
        """Its cron expression, in its time zone; None if it has an interval (`every_ms`)."""
        return cast("str | None", self["cron"])

    @property
    def every_ms(self) -> int | None:
        """The interval between its ticks; None if it has a cron expression (`cron`)."""
        return cast("int | None", self["everyMs"])

    @property
    def time_zone(self) -> str:
        """Its time zone: an IANA name."""
        return str(self["timeZone"])

    @property
    def overlap(self) -> str:
        """The policy for ticks while a run of the schedule has not ended."""
        return str(self["overlap"])

    @property
    def is_paused(self) -> bool:
        """Whether it is paused; `["paused"]` has the time, the principal and the reason."""
        return self["paused"] is not None

    @property
    def owner(self) -> str | None:
        """The owner that keeps it in files (`apphub-jobs apply --owner`); None without one."""
        return cast("str | None", self.get("owner"))

    @property
    def next_at(self) -> datetime | None:
        """When its next tick fires; None if there is none."""
        return self._time_or_none("nextAt")


class TickDocument(Document):
    """The outcome of a tick, or of several in a row."""

    @property
    def due_at(self) -> datetime:
        """When the tick, or the first of several, was due."""
        return self._time("dueAt")

    @property
    def last_due_at(self) -> datetime:
        """When the last of them was due."""
        return self._time("lastDueAt")

    @property
    def ticks(self) -> int:
        """How many ticks in a row."""
        return cast("int", self["ticks"])

    @property
    def outcome(self) -> Outcome:
        """Whether it launched a run, was skipped, or was buffered."""
        return cast("Outcome", self["outcome"])

    @property
    def cause(self) -> str:
        """`backfill` if it was launched by a backfill, else `calendar`."""
        return str(self["cause"])

    @property
    def reason(self) -> str | None:
        """Why it was skipped, as a stable identifier."""
        return cast("str | None", self["reason"])

    @property
    def run_id(self) -> str | None:
        """The run that it launched, or that it was skipped or buffered for."""
        return cast("str | None", self["runId"])


class ComingTickDocument(Document):
    """A future tick."""

    @property
    def due_at(self) -> datetime:
        """When it is due, with the UTC offset of its time zone then."""
        return self._time("dueAt")

    @property
    def fires_at(self) -> datetime:
        """When it fires: the due time with jitter."""
        return self._time("firesAt")

    @property
    def is_excluded(self) -> bool:
        """Whether `exclude` will skip it."""
        return cast("bool", self["isExcluded"])
