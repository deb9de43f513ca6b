"""What the service answers, by name: dictionaries as they came, with a typed view of each field."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast

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
