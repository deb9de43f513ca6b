"""A build of an app's image, and how it goes. It follows one run; once ended, it stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.errors import ConflictError
from domain.json_values import JsonObject

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


class Build(Aggregate):
    """Aggregate of a build. `run_id` names the run that executes it."""

    TOPIC = "build"

    class Event(Aggregate.Event):
        """Base of the build's events."""

        TOPIC = "build.event"

    class Requested(Event, Aggregate.Created):
        """A client asked for the build, or an ingestion launched it."""

        TOPIC = "build.requested"
        repository_id: str
        run_id: str | None
        git_branch: str | None
        git_ref: str | None
        commit_sha: str | None
        retry_of: str | None

    class Started(Event):
        """A worker began an attempt."""

        TOPIC = "build.started"
        run_id: str
        attempt: int

        def apply(self, aggregate: Build) -> None:
            aggregate.status = "running"
            aggregate.run_id = self.run_id

    class CheckedOut(Event):
        """The commit to build was read."""

        TOPIC = "build.checked_out"
        commit_sha: str

        def apply(self, aggregate: Build) -> None:
            aggregate.commit_sha = self.commit_sha

    class RetryScheduled(Event):
        """The attempt ended, and another one will follow."""

        TOPIC = "build.retry_scheduled"
        attempt: int
        error: str

        def apply(self, aggregate: Build) -> None:
            aggregate.status = "pending"

    class Succeeded(Event):
        """The image exists."""

        TOPIC = "build.succeeded"
        commit_sha: str
        git_branch: str | None
        image_tag: str
        image_digest: str | None

        def apply(self, aggregate: Build) -> None:
            aggregate.status = "succeeded"
            aggregate.commit_sha = self.commit_sha
            aggregate.git_branch = self.git_branch

    class Failed(Event):
        """There is no image, and no further attempt."""

        TOPIC = "build.failed"
        error: str

        def apply(self, aggregate: Build) -> None:
            aggregate.status = "failed"

    class Canceled(Event):
        """Somebody canceled the build's run."""

        TOPIC = "build.canceled"
        error: str

        def apply(self, aggregate: Build) -> None:
            aggregate.status = "canceled"

    def __init__(
        self,
        repository_id: str,
        run_id: str | None,
        git_branch: str | None,
        git_ref: str | None,
        commit_sha: str | None,
    ) -> None:
        self.status: BuildStatus = "pending"
        self.repository_id = repository_id
        self.run_id = run_id
        self.git_branch = git_branch
        self.git_ref = git_ref
        self.commit_sha = commit_sha

    @property
    def record(self) -> JsonObject:
        """The record that the build's handler reads."""
        return {
            "id": str(self.id),
            "repositoryId": self.repository_id,
            "status": self.status,
            "gitBranch": self.git_branch,
            "gitRef": self.git_ref,
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
    ) -> Build:
        """Ask for a build of the app that clients call `repository_id`.

        `run_id` is None where no run can be had.
        """
        return cls._create(
            cls.Requested,
            id=build_id,
            timestamp=cut_to_ms(now),
            repository_id=repository_id,
            run_id=str(run_id) if run_id else None,
            **vars(target),
        )

    def again(self) -> BuildTarget:
        """Return the target of a repetition of this build.

        Raises:
            ConflictError: `build_not_failed`.
        """
        if self.status != "failed":
            raise ConflictError("build_not_failed", "only failed builds can be retried")
        return BuildTarget(
            git_branch=self.git_branch,
            git_ref=self.git_ref,
            commit_sha=self.commit_sha,
            retry_of=str(self.id),
        )

    def start(self, run_id: str, attempt: int, now: datetime) -> None:
        """Note that an attempt began, whoever launched its run; an ended build stays as it is."""
        if self.status not in ENDED:
            self._trigger(self.Started, now, run_id=run_id, attempt=attempt)

    def check_out(self, commit_sha: str, now: datetime) -> None:
        """Note which commit is being built."""
        if commit_sha != self.commit_sha:
            self._trigger(self.CheckedOut, now, commit_sha=commit_sha)

    def retry_later(self, attempt: int, error: str, now: datetime) -> None:
        """Note that an attempt ended and another will follow."""
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

    def _trigger(self, event_class: type[Build.Event], now: datetime, **fields: Any) -> None:
        at = max(cut_to_ms(now), self.modified_on)
        self.trigger_event(event_class, timestamp=at, **fields)
