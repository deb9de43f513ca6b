"""The shapes of the catalog's bodies and answers, for OpenAPI.

First apps and builds, then lists of apps, with what is counted beside them.
"""

import posixpath
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
)

from api.shapes.base import RequestBody, Shape
from catalog.app_search import Sort
from catalog.build import BuildStatus, BuildTarget
from catalog.repository import App, IngestStatus, MetadataStrategy


class TagShape(Shape):
    """A tag of an app."""

    key: str
    value: str


class BuildShape(Shape):
    """A build of an app's image."""

    id: str
    repository_id: str
    status: BuildStatus
    image_tag: str | None
    image_digest: str | None
    error_message: str | None
    commit_sha: str | None
    git_branch: str | None
    git_ref: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    started_at: AwareDatetime | None
    completed_at: AwareDatetime | None
    duration_ms: int | None
    logs_preview: str
    logs_truncated: bool
    has_logs: bool
    logs_size: int
    job_run_id: str | None


class BuildLog(Shape):
    """The whole log of a build."""

    id: str
    repository_id: str
    logs: str
    size: int
    updated_at: AwareDatetime
    status: BuildStatus
    logs_preview: str
    logs_truncated: bool
    has_logs: bool
    logs_size: int


class CountedPageMeta(Shape):
    """The position of a page in its list."""

    total: int
    count: int
    limit: int | None
    offset: int
    next_offset: int | None
    has_more: bool


class AppShape(Shape):
    """An app of the catalog."""

    id: str
    name: str
    description: str
    repo_url: str
    dockerfile_path: str
    updated_at: AwareDatetime
    tags: list[TagShape]
    ingest_status: IngestStatus
    ingest_error: str | None
    ingest_attempts: int
    latest_build: BuildShape | None
    latest_launch: None
    preview_tiles: list[JsonValue]
    launch_env_templates: list[JsonValue]
    metadata_strategy: MetadataStrategy


class IngestionEvent(Shape):
    """A step of an app's ingestion."""

    id: int = Field(description="the event's position in the log")
    repository_id: str
    status: str
    message: str
    attempt: int | None
    commit_sha: str | None
    duration_ms: int | None
    job_run_id: str
    created_at: AwareDatetime


_Trimmed = Annotated[str, StringConstraints(strip_whitespace=True)]
"""A text without the blanks that people leave around what they type."""


class TagBody(RequestBody):
    """A tag."""

    key: Annotated[_Trimmed, Field(min_length=1, max_length=100)]
    value: Annotated[_Trimmed, Field(min_length=1, max_length=200)]


_SCHEMES = frozenset({"file", "http", "https", "git", "ssh"})


def _repo_url(value: str) -> str:
    if not value.isprintable():
        # `urlsplit` passes over them, git does not.
        raise ValueError("must hold no control characters")
    if value.startswith("/"):
        return value
    parts = urlsplit(value)
    location = parts.netloc
    if parts.scheme == "file":
        location += parts.path
    if parts.scheme not in _SCHEMES or not location:
        raise ValueError("must be an absolute path or a file:, http:, https:, git: or ssh: URL")
    if "@" in parts.netloc:
        return _without_password(parts)
    return value


def _without_password(parts: SplitResult) -> str:
    """Leave out what may be a secret, for the log keeps all for ever.

    Credentials are the operator's to configure.
    """
    userinfo, _, host = parts.netloc.rpartition("@")
    user, _, _ = userinfo.partition(":")
    netloc = host
    if parts.scheme == "ssh" and user:
        netloc = f"{user}@{host}"
    without = parts._replace(netloc=netloc)
    return urlunsplit(without)


def _git_name(value: str) -> str:
    # Git's own rules (git-check-ref-format), as far as they keep a name from being an option, a
    # range or a path.
    is_odd = any(part in value for part in _ODD)
    begins_badly = value.startswith(("-", "/"))
    ends_badly = value.endswith(("/", ".", ".lock"))
    if is_odd or begins_badly or ends_badly or not value.isprintable():
        raise ValueError("must be the name of a branch, a tag or a commit")
    return value


_ODD = (*" ~^:?*[\\", "..", "@{")
"""What no part of a name may be."""


def _path_inside(value: str) -> str:
    # Clients on Windows write it so; no Dockerfile has a backslash in its name.
    path = posixpath.normpath(value.replace("\\", "/"))
    if path.startswith(("/", "../")) or path in {".", ".."}:
        raise ValueError("must be the path of a file inside the repository")
    return path


def _absent_if_blank(value: object) -> object:
    if isinstance(value, str):
        return value.strip() or None
    return value


def _one_step(value: str) -> str:
    # In an address, clients take these for a step to nowhere, and one back.
    if value in {".", ".."}:
        raise ValueError("must not be . or .., which no address can name")
    return value


class AppBody(RequestBody):
    """An app to add to the catalog."""

    id: Annotated[
        _Trimmed,
        Field(pattern=r"^[^\s/\x00-\x1f\x7f?#][^/\x00-\x1f\x7f?#]*$", min_length=1, max_length=100),
        AfterValidator(_one_step),
    ]
    name: Annotated[_Trimmed, Field(min_length=1, max_length=200)]
    description: Annotated[_Trimmed, Field(max_length=10_000)] | None = None
    repo_url: Annotated[_Trimmed, Field(min_length=1, max_length=2_000), AfterValidator(_repo_url)]
    dockerfile_path: (
        Annotated[_Trimmed, Field(min_length=1, max_length=500), AfterValidator(_path_inside)]
        | None
    ) = None
    tags: Annotated[list[TagBody], Field(max_length=100)] | None = None
    metadata_strategy: Annotated[
        MetadataStrategy | None,
        Field(
            description="`auto`, the default: the repository's own name, description and"
            " tags are taken over; `explicit`: the app keeps those given here."
        ),
    ] = None

    def app(self) -> App:
        """Return the command's content."""
        return App(
            id=self.id,
            name=self.name,
            description=self.description or "",
            repo_url=self.repo_url,
            dockerfile_path=self.dockerfile_path or "Dockerfile",
            tags=[tag.model_dump() for tag in self.tags or []],
            metadata_strategy=self.metadata_strategy or "auto",
        )


GitName = Annotated[str, Field(max_length=250), AfterValidator(_git_name)]

_GitNameOrBlank = Annotated[GitName | None, BeforeValidator(_absent_if_blank)]


class BuildBody(RequestBody):
    """What to build; without a branch or ref, the newest commit of the default branch."""

    branch: _GitNameOrBlank = None
    ref: _GitNameOrBlank = None

    def target(self) -> BuildTarget:
        """Return the command's content."""
        return BuildTarget(git_branch=self.branch, git_ref=self.ref)


class Hits(Shape):
    """How many words of a search occur in a field, and what they count there."""

    hits: int
    weight: float
    score: float


class HitsByField(Shape):
    """How often the words of a search occur in each field."""

    name: Hits
    description: Hits
    tags: Hits


class Relevance(Shape):
    """How well an app fits the words of a search."""

    score: float
    normalized_score: float = Field(description="of the most there can be")
    components: HitsByField


class ListedApp(AppShape):
    """An app in a list."""

    relevance: Relevance | None = Field(description="null without words to search for")


class TagFacet(Shape):
    """How many apps have a tag."""

    key: str
    value: str
    count: int


class StatusFacet(Shape):
    """How many apps have an ingestion status."""

    status: IngestStatus
    count: int


class AppFacets(Shape):
    """Counts of the matching apps: by all statuses, and by the commonest tags."""

    tags: list[TagFacet]
    statuses: list[StatusFacet]
    owners: list[TagFacet]
    frameworks: list[TagFacet]


class Weights(Shape):
    """The weight of a word for relevance, by field."""

    name: float
    description: float
    tags: float


class AppListMeta(CountedPageMeta):
    """The position of the page, and the words and order of the search."""

    tokens: list[str] = Field(description="the words of the search")
    sort: Sort
    weights: Weights


class AppList(Shape):
    """A page of apps, with facets and the number of all matching apps."""

    data: list[ListedApp]
    facets: AppFacets
    total: int = Field(description="the number of matching apps")
    meta: AppListMeta


class TagSuggestion(Shape):
    """A tag, or its key, that completes what a user types."""

    type: Literal["key", "pair"]
    value: str
    label: str
