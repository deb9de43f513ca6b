"""A build of an app's image, and how it goes. It follows one run; once ended, it stays as it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms, ms_since
from domain.errors import ConflictError
from domain.json_values import JsonObject
from domain.state import BigInt, Changes, Id, Integer, PlainEvent, StateEvent, Stateful, Text, Time

BuildStatus = Literal["pending", "running", "succeeded", "failed", "canceled"]
ENDED: frozenset[str] = frozenset({"succeeded", "failed", "canceled"})


@dataclass(frozen=True, kw_only=True)
class BuildTarget:
    """What to build; all None is the newest commit of the default branch.

    Attributes:
        git_ref: a tag, a full ref name or a commit id.
        commit_sha: the commit that the ingestion saw, for a build that follows one.
        retry_of: the failed build that this one repeats.
    """

    git_branch: str | None = None
    git_ref: str | None = None
    commit_sha: str | None = None
    retry_of: str | None = None


class BuildState(TypedDict):
    """A build of an app; `repository_id` is what clients call the app."""

    id: ReadOnly[Id]
    repository_id: ReadOnly[Text]
    job_run_id: ReadOnly[Id | None]
    status: ReadOnly[Annotated[BuildStatus, "text"]]
    image_tag: ReadOnly[Text | None]
    image_digest: ReadOnly[Text | None]
    error_message: ReadOnly[Text | None]
    commit_sha: ReadOnly[Text | None]
    git_branch: ReadOnly[Text | None]
    git_ref: ReadOnly[Text | None]
    retry_of: ReadOnly[Id | None]
    attempt: ReadOnly[Integer]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]
    duration_ms: ReadOnly[BigInt | None]
    created_position: ReadOnly[BigInt]


def _ended(build: BuildState, event: PlainEvent, status: BuildStatus) -> Changes:
    duration_ms = ms_since(build["started_at"], event.at)
    return {"status": status, "completed_at": event.at, "duration_ms": duration_ms}


class Build(Stateful[BuildState], Aggregate):
    """Aggregate of a build."""

    TOPIC = "build"
    STATE = BuildState

    class Event(StateEvent):
        """Base of the build's events."""

        TOPIC = "build.event"

    class Requested(Event, Aggregate.Created):
        """A client or an ingestion launched the build."""

        TOPIC = "build.requested"
        repository_id: str
        run_id: str | None
        git_branch: str | None
        git_ref: str | None
        commit_sha: str | None
        retry_of: str | None

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            data = event.data
            return {
                "id": str(event.aggregate_id),
                "repository_id": data["repository_id"],
                "job_run_id": data["run_id"],
                "status": "pending",
                "git_branch": data["git_branch"],
                "git_ref": data["git_ref"],
                "commit_sha": data["commit_sha"],
                "retry_of": data["retry_of"],
                "attempt": 1,
                "created_at": event.at,
                "created_position": event.position,
            }

    class Started(Event):
        """A worker began an attempt."""

        TOPIC = "build.started"
        run_id: str
        attempt: int

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {
                "status": "running",
                "job_run_id": event.data["run_id"],
                "attempt": event.data["attempt"],
                "started_at": event.at,
                "error_message": None,
            }

    class CheckedOut(Event):
        """The commit to build was read."""

        TOPIC = "build.checked_out"
        commit_sha: str

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            return {"commit_sha": event.data["commit_sha"]}

    class RetryScheduled(Event):
        """The attempt ended, and another one will follow."""

        TOPIC = "build.retry_scheduled"
        attempt: int
        error: str

        @staticmethod
        def evolve(_: object, event: PlainEvent) -> Changes:
            error = event.data["error"]
            return {"status": "pending", "started_at": None, "error_message": error}

    class Succeeded(Event):
        """The image exists."""

        TOPIC = "build.succeeded"
        commit_sha: str
        git_branch: str | None
        image_tag: str
        image_digest: str | None

        @staticmethod
        def evolve(build: BuildState, event: PlainEvent) -> Changes:
            return {
                **_ended(build, event, "succeeded"),
                "commit_sha": event.data["commit_sha"],
                "git_branch": event.data["git_branch"],
                "image_tag": event.data["image_tag"],
                "image_digest": event.data["image_digest"],
            }

    class Failed(Event):
        """There is no image, and no further attempt."""

        TOPIC = "build.failed"
        error: str

        @staticmethod
        def evolve(build: BuildState, event: PlainEvent) -> Changes:
            return {"error_message": event.data["error"], **_ended(build, event, "failed")}

    class Canceled(Event):
        """The build's run was canceled."""

        TOPIC = "build.canceled"
        error: str

        @staticmethod
        def evolve(build: BuildState, event: PlainEvent) -> Changes:
            return {"error_message": event.data["error"], **_ended(build, event, "canceled")}

    @property
    def status(self) -> BuildStatus:
        return self.state["status"]

    @property
    def repository_id(self) -> str:
        """What clients call its app."""
        return self.state["repository_id"]

    @property
    def run_id(self) -> str | None:
        """The run that executes it."""
        return self.state["job_run_id"]

    @property
    def commit_sha(self) -> str | None:
        return self.state["commit_sha"]

    @property
    def record(self) -> JsonObject:
        """The record that the build's handler reads."""
        return {
            "id": str(self.id),
            "repositoryId": self.repository_id,
            "status": self.status,
            "gitBranch": self.state["git_branch"],
            "gitRef": self.state["git_ref"],
            "commitSha": self.commit_sha,
        }

    @classmethod
    def request(
        cls,
        build_id: UUID,
        repository_id: str,
        run_id: UUID | None,
        target: BuildTarget,
        now: datetime,
    ) -> Self:
        """Return a new build of the app that clients call `repository_id`.

        `run_id` is None for a build that has failed before its run was launched.
        """
        return cls._create(
            cls.Requested,
            id=build_id,
            timestamp=cut_to_ms(now),
            repository_id=repository_id,
            run_id=str(run_id) if run_id else None,
            **vars(target),
        )

    def retry_target(self) -> BuildTarget:
        """Return what a retry of this build builds.

        Raises:
            ConflictError: `build_not_failed`.
        """
        if self.status != "failed":
            raise ConflictError("build_not_failed", "only failed builds can be retried")
        return BuildTarget(
            git_branch=self.state["git_branch"],
            git_ref=self.state["git_ref"],
            commit_sha=self.commit_sha,
            retry_of=str(self.id),
        )

    def start(self, run_id: str, attempt: int, now: datetime) -> None:
        """Record that an attempt began, whoever launched its run; an ended build stays as it is."""
        if self.status not in ENDED:
            self._trigger(self.Started, now, run_id=run_id, attempt=attempt)

    def check_out(self, commit_sha: str, now: datetime) -> None:
        """Record which commit is being built."""
        if commit_sha != self.commit_sha:
            self._trigger(self.CheckedOut, now, commit_sha=commit_sha)

    def retry_later(self, attempt: int, error: str, now: datetime) -> None:
        """Record that an attempt ended and another will follow."""
        self._trigger(self.RetryScheduled, now, attempt=attempt, error=error)

    def succeed(self, image: JsonObject, now: datetime) -> None:
        """Record the image: `commit_sha`, `git_branch`, `image_tag` and `image_digest`."""
        self._trigger(self.Succeeded, now, **image)

    def fail(self, error: str, now: datetime) -> None:
        """Record that there is no image."""
        self._trigger(self.Failed, now, error=error)

    def cancel(self, error: str, now: datetime) -> None:
        """Record that the build's run was canceled."""
        self._trigger(self.Canceled, now, error=error)

    def _trigger(self, event_class: type[Event], now: datetime, **fields: Any) -> None:
        self.trigger_event(event_class, timestamp=self._at(now), **fields)
