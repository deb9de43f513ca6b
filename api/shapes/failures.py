"""Failure groups: what clients send and what they see."""

from typing import Annotated

from pydantic import Field

from api.shapes.base import PartMeta, Shape, with_columns
from api.shapes.fields import _Body
from api.shapes.jobs import Version
from projections.failures import groups, watch


@with_columns(groups.FailureGroupRow, groups.SHOWN)
class FailureGroup(Shape):
    """Attempts of a job that ended badly for the same reason."""


@with_columns(watch.FailureWatchRow, watch.SHOWN)
class FailureSearch(Shape):
    """Up to where the log was searched for failures."""


class ResolveBody(_Body):
    """Since when it is mended."""

    in_version: Annotated[
        Version | None,
        Field(
            description="the version of the job from which on a failure opens the group again;"
            " left out: any failure after this",
        ),
    ] = None


class FailureListMeta(PartMeta):
    """Where a page of groups ends, and the position that it shows, if that was asked for."""

    as_of: int | None = None
