"""What is known of an app: what its author registered, and what an ingestion found."""

from dataclasses import dataclass, field
from typing import Literal

from domain.json_values import JsonObject

MetadataStrategy = Literal["auto", "explicit"]
"""Whose name, description and tags an app has: what an ingestion finds, or its author's alone."""


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
        return self.repo_url.startswith("/") or self.repo_url.lower().startswith(
            "file:"
        )


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What an ingestion found in the repository; it replaces what the app's record said."""

    commit_sha: str
    name: str
    description: str
    dockerfile_path: str
    tags: list[JsonObject]
    preview_tiles: list[JsonObject]
