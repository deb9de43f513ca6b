"""An app's code repository in the catalog, and how its ingestion goes.

First the contents of an app: what its author registered (`App`), and what an ingestion read
(`Ingested`). Then the state, the events and the aggregate (`Repository`). Topics and fields of
events are the on-disk format; `evolve` says what they do.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms
from domain.errors import ConflictError
from domain.identifiers import derived_id
from domain.json_values import Json, JsonObject
from domain.state import (
    Changes,
    Documents,
    Id,
    Integer,
    PlainEvent,
    StateEvent,
    Stateful,
    Text,
    Time,
)

MetadataStrategy = Literal["auto", "explicit"]
"""Where an app's name, description and tags come from: its repository too, or its author alone."""


def repository_id(client_id: str) -> UUID:
    """Return the aggregate's id of the app that clients call `client_id`."""
    return derived_id("repository", client_id)


@dataclass(frozen=True, kw_only=True)
class App:
    """What a client registers.

    Attributes:
        id: the client's own name for the app.
        tags: `{key, value}` objects; the author's come before those of an ingestion.
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


class RepositoryState(TypedDict):
    """An app of the catalog; `id` is what clients call it.

    `ingest_run_id` is the run of its latest ingestion, `ingest_commit_sha` the commit that its
    latest attempt reads; None before it has reported one.
    """

    aggregate_id: ReadOnly[Id]
    id: ReadOnly[Text]
    name: ReadOnly[Text]
    description: ReadOnly[Text]
    repo_url: ReadOnly[Text]
    dockerfile_path: ReadOnly[Text]
    tags: ReadOnly[Documents]
    metadata_strategy: ReadOnly[Annotated[MetadataStrategy, "text"]]
    ingest_status: ReadOnly[Annotated[IngestStatus, "text"]]
    ingest_error: ReadOnly[Text | None]
    ingest_attempts: ReadOnly[Integer]
    commit_sha: ReadOnly[Text | None]
    preview_tiles: ReadOnly[Documents]
    launch_env_templates: ReadOnly[Documents]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    last_ingested_at: ReadOnly[Time | None]
    author_tags: ReadOnly[Documents]
    ingest_run_id: ReadOnly[Id | None]
    ingest_commit_sha: ReadOnly[Text | None]


# The events of a repository. Their topics and fields are the on-disk format.


class RepositoryEvent(StateEvent):
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

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        data = event.data
        return {
            "aggregate_id": str(event.aggregate_id),
            "id": data["repository_id"],
            "name": data["name"],
            "description": data["description"],
            "repo_url": data["repo_url"],
            "dockerfile_path": data["dockerfile_path"],
            "tags": data["tags"],
            "author_tags": data["tags"],
            "metadata_strategy": data["metadata_strategy"],
            "ingest_status": "seed",
            "ingest_attempts": 0,
            "preview_tiles": [],
            "launch_env_templates": [],
            "created_at": event.at,
        }


class IngestionRequested(RepositoryEvent):
    """An ingestion run was launched."""

    TOPIC = "repository.ingestion_requested"
    run_id: str

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {**_ingestion(event, "pending"), "ingest_commit_sha": None}


class IngestionStarted(RepositoryEvent):
    """A worker began an attempt; `ingest_attempts` counts all attempts of all runs."""

    TOPIC = "repository.ingestion_started"
    run_id: str
    attempt: int
    ingest_attempts: int

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {
            **_ingestion(event, "processing"),
            "ingest_attempts": event.data["ingest_attempts"],
            "ingest_commit_sha": None,
        }


class CommitRead(RepositoryEvent):
    """The attempt knows which commit it reads."""

    TOPIC = "repository.commit_read"
    run_id: str
    commit_sha: str

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        # `commit_sha` changes only once the attempt has succeeded.
        return {"ingest_commit_sha": event.data["commit_sha"]}


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

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return _ingestion(event, "pending", event.data["error"])


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

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        data = event.data
        return {
            **_ingestion(event, "ready"),
            "last_ingested_at": event.at,
            "commit_sha": data["commit_sha"],
            "name": data["name"],
            "description": data["description"],
            "dockerfile_path": data["dockerfile_path"],
            "tags": data["tags"],
            "preview_tiles": data["preview_tiles"],
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

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        failed = _ingestion(event, "failed", event.data["error"])
        return {**failed, "last_ingested_at": event.at}


class EnvTemplatesRead(RepositoryEvent):
    """A build read which environment variables the app takes."""

    TOPIC = "repository.env_templates_read"
    build_id: str
    launch_env_templates: list[JsonObject]

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"launch_env_templates": event.data["launch_env_templates"]}


def _ingestion(event: PlainEvent, status: IngestStatus, error: Json = None) -> Changes:
    return {"ingest_status": status, "ingest_error": error, "ingest_run_id": event.data["run_id"]}


IN_PROGRESS: frozenset[str] = frozenset({"pending", "processing"})


class Repository(Stateful[RepositoryState], Aggregate):
    """Aggregate of an app's repository."""

    TOPIC = "repository"
    STATE = RepositoryState

    Event = RepositoryEvent
    Added = Added
    IngestionRequested = IngestionRequested
    IngestionStarted = IngestionStarted
    CommitRead = CommitRead
    IngestionRetryScheduled = IngestionRetryScheduled
    IngestionSucceeded = IngestionSucceeded
    IngestionFailed = IngestionFailed
    EnvTemplatesRead = EnvTemplatesRead

    @property
    def client_id(self) -> str:
        """What clients call the app."""
        return self.state["id"]

    @property
    def public_id(self) -> str:
        return self.client_id

    @property
    def status(self) -> IngestStatus:
        return self.state["ingest_status"]

    @property
    def run_id(self) -> str | None:
        """The run of its latest ingestion."""
        return self.state["ingest_run_id"]

    @property
    def commit_sha(self) -> str | None:
        """The commit that the latest attempt reads; None before it has reported one."""
        return self.state["ingest_commit_sha"]

    @property
    def ingest_attempts(self) -> int:
        return self.state["ingest_attempts"]

    @property
    def author_tags(self) -> list[JsonObject]:
        return self.state["author_tags"]

    @property
    def record(self) -> JsonObject:
        """The record that the handlers of ingestion and build read."""
        state = self.state
        return {
            "id": state["id"],
            "name": state["name"],
            "description": state["description"],
            "repoUrl": state["repo_url"],
            "dockerfilePath": state["dockerfile_path"],
            "tags": [*state["author_tags"]],
            "metadataStrategy": state["metadata_strategy"],
        }

    @classmethod
    def add(cls, app: App, now: datetime) -> Self:
        """Add the app.

        The log refuses an id that is in use: the aggregate's id is derived from it.
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
        """Record that an ingestion run was launched.

        Raises:
            ConflictError: `ingestion_in_progress`.
        """
        if self.status in IN_PROGRESS:
            raise ConflictError("ingestion_in_progress", "ingestion already in progress")
        self._trigger(self.IngestionRequested, run_id, now)

    def start_ingestion(self, run_id: str, attempt: int, now: datetime) -> None:
        """Record that an attempt began, whoever launched its run."""
        count = self.ingest_attempts + 1
        self._trigger(self.IngestionStarted, run_id, now, attempt=attempt, ingest_attempts=count)

    def read_commit(self, run_id: str, commit_sha: str, now: datetime) -> None:
        """Record which commit the attempt reads, unless it has done so already."""
        if commit_sha != self.commit_sha:
            self._trigger(self.CommitRead, run_id, now, commit_sha=commit_sha)

    def retry_ingestion(
        self, run_id: str, attempt: int, error: str, duration_ms: int | None, now: datetime
    ) -> None:
        """Record that an attempt ended and another will follow."""
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
        if templates == self.state["launch_env_templates"]:
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
