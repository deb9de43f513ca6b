"""An app's code repository in the catalog, and how its ingestion goes.

First the contents of an app: what its author registered (`App`), and what an ingestion read
(`Ingested`). Then the state, the events and the aggregate (`Repository`). Topics and fields of
events are the on-disk format; `apply` only moves state.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.errors import ConflictError
from domain.identifiers import derived_id
from domain.json_values import JsonObject

MetadataStrategy = Literal["auto", "explicit"]
"""Whose name, description and tags an app has: what an ingestion finds, or its author's alone."""


def repository_id(client_id: str) -> UUID:
    """Return the aggregate's id of the app that clients call `client_id`."""
    return derived_id("repository", client_id)


@dataclass(frozen=True, kw_only=True)
class App:
    """What a client registers.

    Attributes:
        id: the client's own name for the app.
        tags: `{key, value}` objects; the author's tags win over all that ingestion finds.
    """

    id: str
    name: str
    description: str
    repo_url: str
    dockerfile_path: str
    tags: list[JsonObject] = field(default_factory=list)
    metadata_strategy: MetadataStrategy = "auto"

    @property
    def is_local(self) -> bool:
        """Return whether the repository lies on the workers' own file system."""
        return self.repo_url.startswith("/") or self.repo_url.lower().startswith("file:")


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What an ingestion read in the repository; it replaces the app's record."""

    commit_sha: str
    name: str
    description: str
    dockerfile_path: str
    tags: list[JsonObject]
    preview_tiles: list[JsonObject]


IngestStatus = Literal["seed", "pending", "processing", "ready", "failed"]


class RepositoryState:
    """The state of a repository.

    Attributes:
        run_id: the run of its latest ingestion.
        commit_sha: the commit that the latest attempt reads; None before it has reported one.
        record: what the handlers of ingestion and build read.
    """

    def __init__(  # noqa: PLR0913 - the first event's fields
        self,
        repository_id: str,
        name: str,
        description: str,
        repo_url: str,
        dockerfile_path: str,
        tags: list[JsonObject],
        metadata_strategy: MetadataStrategy,
    ) -> None:
        self.client_id = repository_id
        self.status: IngestStatus = "seed"
        self.run_id: str | None = None
        self.ingest_attempts = 0
        self.commit_sha: str | None = None
        self.author_tags = tags
        self.env_templates: list[JsonObject] = []
        self.record: JsonObject = {
            "id": repository_id,
            "name": name,
            "description": description,
            "repoUrl": repo_url,
            "dockerfilePath": dockerfile_path,
            "tags": list(tags),
            "metadataStrategy": metadata_strategy,
        }

    def move(self, status: IngestStatus, run_id: str) -> None:
        """Apply where the ingestion stands."""
        self.status = status
        self.run_id = run_id


# The events of a repository. Their topics and fields are the on-disk format.


class RepositoryEvent(Aggregate.Event):
    """Base of the repository's events."""

    TOPIC = "repository.event"


class Added(RepositoryEvent, Aggregate.Created):
    """A client added the app to the catalog."""

    TOPIC = "repository.added"
    class_version = 2
    repository_id: str
    name: str
    description: str
    repo_url: str
    dockerfile_path: str
    tags: list[JsonObject]
    metadata_strategy: MetadataStrategy

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before authors could keep what they wrote."""
        state["metadata_strategy"] = "auto"


class IngestionRequested(RepositoryEvent):
    """An ingestion run was launched."""

    TOPIC = "repository.ingestion_requested"
    run_id: str

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("pending", self.run_id)
        aggregate.commit_sha = None


class IngestionStarted(RepositoryEvent):
    """A worker began an attempt; `ingest_attempts` counts all attempts of all runs."""

    TOPIC = "repository.ingestion_started"
    run_id: str
    attempt: int
    ingest_attempts: int

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("processing", self.run_id)
        aggregate.ingest_attempts = self.ingest_attempts
        aggregate.commit_sha = None


class CommitRead(RepositoryEvent):
    """The attempt knows which commit it reads."""

    TOPIC = "repository.commit_read"
    run_id: str
    commit_sha: str

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.commit_sha = self.commit_sha


class IngestionRetryScheduled(RepositoryEvent):
    """The attempt failed, and another one will follow."""

    TOPIC = "repository.ingestion_retry_scheduled"
    class_version = 2
    run_id: str
    attempt: int
    error: str
    duration_ms: int | None
    commit_sha: str | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before failures had a commit."""
        state["commit_sha"] = None

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("pending", self.run_id)


class IngestionSucceeded(RepositoryEvent):
    """The repository was read; its record is what the ingestion read."""

    TOPIC = "repository.ingestion_succeeded"
    class_version = 2
    run_id: str
    attempt: int
    duration_ms: int | None
    commit_sha: str
    name: str
    description: str
    dockerfile_path: str
    tags: list[JsonObject]
    preview_tiles: list[JsonObject]

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before there were previews."""
        state["preview_tiles"] = []

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("ready", self.run_id)
        aggregate.record = {
            **aggregate.record,
            "name": self.name,
            "description": self.description,
            "dockerfilePath": self.dockerfile_path,
        }


class IngestionFailed(RepositoryEvent):
    """The ingestion ended without success."""

    TOPIC = "repository.ingestion_failed"
    class_version = 2
    run_id: str
    attempt: int
    error: str
    duration_ms: int | None
    commit_sha: str | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before failures had a commit."""
        state["commit_sha"] = None

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("failed", self.run_id)


class EnvTemplatesRead(RepositoryEvent):
    """A build read which environment variables the app takes."""

    TOPIC = "repository.env_templates_read"
    build_id: str
    launch_env_templates: list[JsonObject]

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.env_templates = self.launch_env_templates


IN_PROGRESS: frozenset[str] = frozenset({"pending", "processing"})


class Repository(RepositoryState, Aggregate):
    """Aggregate of an app's repository."""

    TOPIC = "repository"

    Event = RepositoryEvent
    Added = Added
    IngestionRequested = IngestionRequested
    IngestionStarted = IngestionStarted
    CommitRead = CommitRead
    IngestionRetryScheduled = IngestionRetryScheduled
    IngestionSucceeded = IngestionSucceeded
    IngestionFailed = IngestionFailed
    EnvTemplatesRead = EnvTemplatesRead

    @classmethod
    def add(cls, app: App, now: datetime) -> Repository:
        """Add the app.

        That its id is free is decided by the log, for the aggregate's id is derived from it.
        """
        fields = asdict(app)
        client_id = fields.pop("id")
        return cls._create(
            cls.Added,
            id=repository_id(client_id),
            timestamp=cut_to_ms(now),
            repository_id=client_id,
            **fields,
        )

    def request_ingestion(self, run_id: str, now: datetime) -> None:
        """Note that an ingestion run was launched.

        Raises:
            ConflictError: `ingestion_in_progress`.
        """
        if self.status in IN_PROGRESS:
            raise ConflictError("ingestion_in_progress", "ingestion already in progress")
        self._trigger(self.IngestionRequested, run_id, now)

    def start_ingestion(self, run_id: str, attempt: int, now: datetime) -> None:
        """Note that an attempt began, whoever launched its run."""
        count = self.ingest_attempts + 1
        self._trigger(self.IngestionStarted, run_id, now, attempt=attempt, ingest_attempts=count)

    def read_commit(self, run_id: str, commit_sha: str, now: datetime) -> None:
        """Note which commit the attempt reads, unless it has done so already."""
        if commit_sha != self.commit_sha:
            self._trigger(self.CommitRead, run_id, now, commit_sha=commit_sha)

    def retry_ingestion(
        self, run_id: str, attempt: int, error: str, duration_ms: int | None, now: datetime
    ) -> None:
        """Note that an attempt ended and another will follow."""
        self._trigger(
            self.IngestionRetryScheduled,
            run_id,
            now,
            attempt=attempt,
            error=error,
            duration_ms=duration_ms,
            commit_sha=self.commit_sha,
        )

    def finish_ingestion(
        self, run_id: str, attempt: int, ingested: Ingested, duration_ms: int | None, now: datetime
    ) -> None:
        """Record what the ingestion read."""
        self._trigger(
            self.IngestionSucceeded,
            run_id,
            now,
            attempt=attempt,
            duration_ms=duration_ms,
            **asdict(ingested),
        )

    def fail_ingestion(
        self, run_id: str, attempt: int, error: str, duration_ms: int | None, now: datetime
    ) -> None:
        """Record that the ingestion ended without success."""
        self._trigger(
            self.IngestionFailed,
            run_id,
            now,
            attempt=attempt,
            error=error,
            duration_ms=duration_ms,
            commit_sha=self.commit_sha,
        )

    def read_env_templates(self, build_id: str, templates: list[JsonObject], now: datetime) -> None:
        """Record which environment variables the app takes, unless it has done so already."""
        if templates == self.env_templates:
            return
        self.trigger_event(
            self.EnvTemplatesRead,
            timestamp=self._at(now),
            build_id=build_id,
            launch_env_templates=templates,
        )

    def _trigger(
        self, event_class: type[RepositoryEvent], run_id: str, now: datetime, **fields: Any
    ) -> None:
        self.trigger_event(event_class, timestamp=self._at(now), run_id=run_id, **fields)

    def _at(self, now: datetime) -> datetime:
        return max(cut_to_ms(now), self.modified_on)
