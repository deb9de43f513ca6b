"""An app's code repository in the catalog, and how its ingestion goes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from eventsourcing.domain import Aggregate

from domain.catalog import repository_events
from domain.catalog.app import App, Ingested
from domain.catalog.repository_events import RepositoryEvent
from domain.catalog.repository_state import RepositoryState
from domain.clock import cut_to_ms
from domain.errors import ConflictError
from domain.identifiers import repository_id
from domain.json_values import JsonObject

IN_PROGRESS: frozenset[str] = frozenset({"pending", "processing"})


class Repository(RepositoryState, Aggregate):
    """Aggregate of an app's repository."""

    TOPIC = "repository"

    Event = RepositoryEvent
    Added = repository_events.Added
    IngestionRequested = repository_events.IngestionRequested
    IngestionStarted = repository_events.IngestionStarted
    CommitRead = repository_events.CommitRead
    IngestionRetryScheduled = repository_events.IngestionRetryScheduled
    IngestionSucceeded = repository_events.IngestionSucceeded
    IngestionFailed = repository_events.IngestionFailed
    EnvTemplatesRead = repository_events.EnvTemplatesRead

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
            raise ConflictError(
                "ingestion_in_progress", "ingestion already in progress"
            )
        self._trigger(self.IngestionRequested, run_id, now)

    def start_ingestion(self, run_id: str, attempt: int, now: datetime) -> None:
        """Note that an attempt began, whoever launched its run."""
        count = self.ingest_attempts + 1
        self._trigger(
            self.IngestionStarted, run_id, now, attempt=attempt, ingest_attempts=count
        )

    def read_commit(self, run_id: str, commit_sha: str, now: datetime) -> None:
        """Note which commit the attempt reads, unless that is known already."""
        if commit_sha != self.commit_sha:
            self._trigger(self.CommitRead, run_id, now, commit_sha=commit_sha)

    def retry_ingestion(
        self,
        run_id: str,
        attempt: int,
        error: str,
        duration_ms: int | None,
        now: datetime,
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
        self,
        run_id: str,
        attempt: int,
        found: Ingested,
        duration_ms: int | None,
        now: datetime,
    ) -> None:
        """Record what the ingestion found."""
        self._trigger(
            self.IngestionSucceeded,
            run_id,
            now,
            attempt=attempt,
            duration_ms=duration_ms,
            **asdict(found),
        )

    def fail_ingestion(
        self,
        run_id: str,
        attempt: int,
        error: str,
        duration_ms: int | None,
        now: datetime,
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

    def read_env_templates(
        self, build_id: str, templates: list[JsonObject], now: datetime
    ) -> None:
        """Record which environment variables the app takes, unless that is known already."""
        if templates == self.env_templates:
            return
        self.trigger_event(
            self.EnvTemplatesRead,
            timestamp=self._at(now),
            build_id=build_id,
            launch_env_templates=templates,
        )

    def _trigger(
        self,
        event_class: type[RepositoryEvent],
        run_id: str,
        now: datetime,
        **fields: Any,
    ) -> None:
        self.trigger_event(
            event_class, timestamp=self._at(now), run_id=run_id, **fields
        )

    def _at(self, now: datetime) -> datetime:
        return max(cut_to_ms(now), self.modified_on)
