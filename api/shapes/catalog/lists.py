"""Lists of apps: what clients see of them, and of what is counted beside."""

from typing import Literal

from pydantic import Field

from api.shapes.base import Shape
from api.shapes.catalog.records import AppShape, CountedPageMeta
from domain.catalog.repository_state import IngestStatus
from projections.apps.filter import Sort


class Hits(Shape):
    """How many words of a search are found in one place, and what they count there."""

    hits: int
    weight: float
    score: float


class HitsByPlace(Shape):
    """Where the words of a search are found."""

    name: Hits
    description: Hits
    tags: Hits


class Relevance(Shape):
    """How well an app fits the words of a search."""

    score: float
    normalized_score: float = Field(description="of the most there can be")
    components: HitsByPlace


class ListedApp(AppShape):
    """An app in a list."""

    relevance: Relevance | None = Field(description="null where no words were sought")


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
    """What the apps have that the filters let pass: all statuses, the commonest tags."""

    tags: list[TagFacet]
    statuses: list[StatusFacet]
    owners: list[TagFacet]
    frameworks: list[TagFacet]


class Weights(Shape):
    """What a word counts for relevance, by where it is found."""

    name: float
    description: float
    tags: float


class AppListMeta(CountedPageMeta):
    """Where the page lies, and how apps were sought."""

    tokens: list[str] = Field(description="the words that were sought")
    sort: Sort
    weights: Weights


class AppList(Shape):
    """A page of apps, and what there is beside it."""

    data: list[ListedApp]
    facets: AppFacets
    total: int = Field(description="of the apps that the filters let pass")
    meta: AppListMeta


class TagSuggestion(Shape):
    """A tag, or its key, to complete what somebody types."""

    type: Literal["key", "pair"]
    value: str
    label: str
