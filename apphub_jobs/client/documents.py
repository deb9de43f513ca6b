"""What the service answers, by name: dictionaries as they came, with a typed view of each field.

First runs, jobs and messages of the stream, then bulk operations, failure groups and schedules.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast

from apphub_jobs.contract import Json
from apphub_jobs.details import DefinitionDetails

RunStatus = Literal["pending", "running", "succeeded", "failed", "canceled", "expired"]

FINAL = frozenset({"succeeded", "failed", "canceled", "expired"})
"""The statuses that nothing changes any more."""


class Document(dict[str, Any]):
    """A JSON object of the service. Fields that newer versions add are there by key."""

    def _time(self, name: str) -> datetime:
        return datetime.fromisoformat(self[name])

    def _time_or_none(self, name: str) -> datetime | None:
        text: str | None = self[name]
        return None if text is None else datetime.fromisoformat(text)


class RunDocument(Document):
    """A run, as it was when the service answered."""

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
        """What the run does."""
        return cast("RunStatus", self["status"])

    @property
    def is_final(self) -> bool:
        """Whether the run has ended; nothing changes it any more then."""
        return self["status"] in FINAL

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters, the job's defaults included."""
        return cast("Mapping[str, Any]", self["parameters"])

    @property
    def result(self) -> Any:
        """The result; null until the run has succeeded."""
        return self["result"]

    @property
    def error_message(self) -> str | None:
        """Why the run, or its last attempt, did not succeed."""
        return cast("str | None", self["errorMessage"])

    @property
    def failure_reason(self) -> str | None:
        """The same as a stable word: `error`, `exit`, `execution_timeout`, …."""
        return cast("str | None", self["failureReason"])

    @property
    def logs_url(self) -> str | None:
        """Where the log is to be read."""
        return cast("str | None", self["logsUrl"])

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What the attempts used and reported."""
        return self["metrics"] or {}

    @property
    def context(self) -> Mapping[str, Any]:
        """What the launch and the handler said of the run."""
        return self["context"] or {}

    @property
    def progress(self) -> float | None:
        """How much is done, from 0 to 1, as far as the handler tells."""
        return self.metrics.get("progress")

    @property
    def timeout_ms(self) -> int | None:
        """How long one attempt may run."""
        return cast("int | None", self["timeoutMs"])

    @property
    def attempt(self) -> int:
        """Which attempt runs, ran last, or is next: 1 for the first."""
        return cast("int", self["attempt"])

    @property
    def max_attempts(self) -> int:
        """How many attempts there may be."""
        return cast("int", self["maxAttempts"])

    @property
    def priority(self) -> int:
        """What is higher starts first."""
        return cast("int", self["priority"])

    @property
    def duration_ms(self) -> int | None:
        """How long the last attempt ran."""
        return cast("int | None", self["durationMs"])

    @property
    def scheduled_at(self) -> datetime:
        """When the next attempt may start, or the last one might."""
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
        """When somebody asked to cancel the run."""
        return self._time_or_none("cancelRequestedAt")

    @property
    def created_at(self) -> datetime:
        """When the run was launched."""
        return self._time("createdAt")

    @property
    def updated_at(self) -> datetime:
        """When anything changed last."""
        return self._time("updatedAt")

    @property
    def idempotency_key(self) -> str | None:
        """The key that the launch was sent with."""
        return cast("str | None", self["idempotencyKey"])

    @property
    def requested_by(self) -> str:
        """Who launched the run."""
        return str(self["requestedBy"])


class JobDocument(Document, DefinitionDetails):
    """A job's definition, as its newest version says."""

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
        """The parameters that a launch may leave out."""
        return cast("Mapping[str, Any]", self["defaultParameters"])

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema of results."""
        return cast("Mapping[str, Any] | None", self["outputSchema"])

    @property
    def runtime(self) -> str:
        """What runs the handler, such as `python`."""
        return str(self["runtime"])

    @property
    def module_binding(self) -> Mapping[str, Any] | None:
        """The platform's module that the job belongs to, by its `moduleId`."""
        return cast("Mapping[str, Any] | None", self.get("moduleBinding"))

    @property
    def max_concurrent_runs(self) -> int | None:
        """How many runs may be at work at once."""
        return cast("int | None", self["maxConcurrentRuns"])

    @property
    def concurrency_key(self) -> str | None:
        """By which value of the parameters runs take turns."""
        return cast("str | None", self["concurrencyKey"])

    @property
    def concurrency_limit(self) -> int:
        """How many runs with the same value of it may be at work at once."""
        return cast("int", self.get("concurrencyLimit", 1))

    @property
    def worker_labels(self) -> Mapping[str, str]:
        """What a worker must have to execute its runs."""
        return cast("Mapping[str, str]", self.get("workerLabels", {}))

    @property
    def rate_limit(self) -> dict[str, Any] | None:
        """How many runs may start within a period: `limit`, `periodMs`, and perhaps `key`."""
        return cast("dict[str, Any] | None", self.get("rateLimit"))

    @property
    def fairness_key(self) -> str | None:
        """Whose values take turns to start, at equal priority: a parameter's name."""
        return cast("str | None", self.get("fairnessKey"))

    @property
    def retention(self) -> dict[str, Any] | None:
        """How long after their end runs are archived: `succeededMs`, `failedMs` and so on."""
        return cast("dict[str, Any] | None", self.get("retention"))

    @property
    def unique(self) -> dict[str, Any] | None:
        """Which runs stand for each other: `key`, `until`, `onConflict`."""
        return cast("dict[str, Any] | None", self.get("unique"))

    @property
    def start_deadline_ms(self) -> int | None:
        """How long after it was due a run may still start."""
        return cast("int | None", self["startDeadlineMs"])

    @property
    def priority(self) -> int:
        """What is higher starts first."""
        return cast("int", self["priority"])

    @property
    def paused(self) -> Mapping[str, Any] | None:
        """Since when nothing of it starts (`at`), who wanted that (`by`), and the `reason`."""
        return self.get("paused")  # Older services have no pauses.

    @property
    def description(self) -> str | None:
        """What the job does, where its metadata tell."""
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
        """When its newest version was made."""
        return self._time("updatedAt")


class Message(Document):
    """A message of the stream."""

    @property
    def type(self) -> str:
        """Such as `job.run.succeeded`."""
        return str(self["type"])

    @property
    def data(self) -> Mapping[str, Any]:
        """What the message is about: `run`, `job`, `repository`, …, as its event left it."""
        return cast("Mapping[str, Any]", self["data"])

    @property
    def is_event(self) -> bool:
        """Whether it tells of an event, and not of the connection."""
        return "eventId" in self

    @property
    def run(self) -> RunDocument | None:
        """The run, exactly as the event left it; None in messages about something else."""
        run = self.data.get("run")
        return None if run is None else RunDocument(run)

    @property
    def position(self) -> int:
        """The event's place in the log, from which a stream can be resumed."""
        return cast("int", self["position"])

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""
        return self._time("occurredAt")


BulkAction = Literal["cancel", "retry", "rerun"]

BulkStatus = Literal["running", "completed", "aborted"]


class RefusalDocument(Document):
    """A run that what was ordered cannot be done to."""

    @property
    def run(self) -> str:
        """Its id."""
        return str(self["run"])

    @property
    def code(self) -> str:
        """Why, as a stable word."""
        return str(self["code"])

    @property
    def why(self) -> str:
        """The same for people."""
        return str(self["why"])


class BulkDocument(Document):
    """A bulk operation, as it was when the service answered."""

    @property
    def id(self) -> str:
        """What names it."""
        return str(self["id"])

    @property
    def action(self) -> BulkAction:
        """What is done to each run."""
        return cast("BulkAction", self["action"])

    @property
    def filter(self) -> list[str]:
        """Which runs: conditions such as `job=report`."""
        return list(self["filter"])

    @property
    def reason(self) -> str:
        """Why, as who ordered it says."""
        return str(self["reason"])

    @property
    def status(self) -> BulkStatus:
        """Whether it goes on."""
        return cast("BulkStatus", self["status"])

    @property
    def is_over(self) -> bool:
        """Whether it goes through no more runs."""
        return self.status != "running"

    @property
    def total(self) -> int:
        """How many runs were chosen."""
        return cast("int", self["total"])

    @property
    def done(self) -> int:
        """To how many of them it was done."""
        return cast("int", self["done"])

    @property
    def refused(self) -> int:
        """How many of them were refused."""
        return cast("int", self["refused"])

    @property
    def refusals(self) -> list[RefusalDocument]:
        """The first of these."""
        return [RefusalDocument(one) for one in self["refusals"]]

    @property
    def patch(self) -> Mapping[str, Json] | None:
        """The parameters that new runs get, None where they get those of the runs they repeat."""
        return cast("Mapping[str, Json] | None", self["patch"])

    @property
    def requested_by(self) -> str:
        """Who ordered it."""
        return str(self["requestedBy"])

    @property
    def position(self) -> int:
        """The place in the log as of which the runs were chosen."""
        return cast("int", self["position"])


class BulkPreviewDocument(Document):
    """What an order would come to."""

    @property
    def count(self) -> int:
        """How many runs it is about."""
        return cast("int", self["count"])

    @property
    def position(self) -> int:
        """The place in the log as of which they were counted."""
        return cast("int", self["position"])

    @property
    def sample(self) -> list[RunDocument]:
        """The newest of them."""
        return [RunDocument(run) for run in self["sample"]]

    @property
    def refused(self) -> list[RefusalDocument]:
        """Those that would be refused, among the newest hundred."""
        return [RefusalDocument(one) for one in self["refused"]]


FailureStatus = Literal["open", "resolved", "ignored"]


class FailureDocument(Document):
    """A group of failures, as it was when the service answered."""

    @property
    def fingerprint(self) -> str:
        """What names it."""
        return str(self["fingerprint"])

    @property
    def title(self) -> str:
        """The failures' message, with words in place of what varies."""
        return str(self["title"])

    @property
    def job(self) -> str:
        """The job's slug."""
        return str(self["job"])

    @property
    def status(self) -> FailureStatus:
        """Whether it is open."""
        return cast("FailureStatus", self["status"])

    @property
    def count(self) -> int:
        """Attempts that failed so and whose run has not succeeded since."""
        return cast("int", self["count"])

    @property
    def first_at(self) -> datetime:
        """When the first attempt failed so."""
        return self._time("firstAt")

    @property
    def last_at(self) -> datetime:
        """When the last one did."""
        return self._time("lastAt")

    @property
    def affected_versions(self) -> list[int]:
        """The versions of the job in which it failed so, the newest hundred."""
        return cast("list[int]", self["affectedVersions"])

    @property
    def sample_run(self) -> str:
        """The run of the last one."""
        return str(self["sampleRun"])


Outcome = Literal["launched", "skipped", "buffered"]


class ScheduleDocument(Document):
    """A schedule, as it was when the service answered."""

    @property
    def id(self) -> str:
        """What it is called."""
        return str(self["id"])

    @property
    def version(self) -> int:
        """Its version; a change makes a new one."""
        return cast("int", self["version"])

    @property
    def job(self) -> str:
        """The slug of the job that it launches."""
        return str(self["job"])

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its runs, as far as they differ from the job's defaults."""
        return cast("Mapping[str, Any]", self["parameters"])

    @property
    def cron(self) -> str | None:
        """When it ticks, on the clocks of its zone; or `every_ms` says so."""
        return cast("str | None", self["cron"])

    @property
    def every_ms(self) -> int | None:
        """How much time passes between its ticks."""
        return cast("int | None", self["everyMs"])

    @property
    def time_zone(self) -> str:
        """An IANA name."""
        return str(self["timeZone"])

    @property
    def overlap(self) -> str:
        """What is done about a tick while a run of it has not ended."""
        return str(self["overlap"])

    @property
    def is_paused(self) -> bool:
        """Whether its ticks are skipped; `["paused"]` tells since when, by whom and why."""
        return self["paused"] is not None

    @property
    def next_at(self) -> datetime | None:
        """When the next tick fires; None where none is to come."""
        return self._time_or_none("nextAt")


class TickDocument(Document):
    """What became of a tick, or of several in a row."""

    @property
    def due_at(self) -> datetime:
        """When it was due, or the first of several."""
        return self._time("dueAt")

    @property
    def last_due_at(self) -> datetime:
        """When the last of them was due."""
        return self._time("lastDueAt")

    @property
    def ticks(self) -> int:
        """How many in a row."""
        return cast("int", self["ticks"])

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return cast("Outcome", self["outcome"])

    @property
    def cause(self) -> str:
        """`backfill` where somebody had it launched later on, else `calendar`."""
        return str(self["cause"])

    @property
    def reason(self) -> str | None:
        """Why it was skipped, as a stable word."""
        return cast("str | None", self["reason"])

    @property
    def run_id(self) -> str | None:
        """The run that it launched, or that was in its way."""
        return cast("str | None", self["runId"])


class ComingTickDocument(Document):
    """A tick to come."""

    @property
    def due_at(self) -> datetime:
        """When it is due, with the offset that its zone has then."""
        return self._time("dueAt")

    @property
    def fires_at(self) -> datetime:
        """The same with its jitter."""
        return self._time("firesAt")

    @property
    def is_excluded(self) -> bool:
        """Whether it will be skipped, since `exclude` says so."""
        return cast("bool", self["isExcluded"])
