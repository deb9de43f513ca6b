"""What a repository's decisions need to know of it, and how its events move that.

Apart from `Repository`, so that events and aggregate need not import each other.
"""

from __future__ import annotations

from typing import Literal

from domain.catalog.app import MetadataStrategy
from domain.json_values import JsonObject

IngestStatus = Literal["seed", "pending", "processing", "ready", "failed"]


class RepositoryState:
    """The state of a repository.

    Attributes:
        run_id: the run of its latest ingestion.
        commit_sha: what the latest attempt reads, once that is known.
        record: what the handlers of ingestion and build are given to read.
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
