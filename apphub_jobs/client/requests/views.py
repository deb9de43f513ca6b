"""Requests about saved views, and the document of a view; shared by both clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from apphub_jobs.client.documents import Document, RunOrder
from apphub_jobs.client.requests.request import Request, as_of_parameter, get, segment


class ViewDocument(Document):
    """A filter of the list of runs, and its order, under a name that everybody sees."""

    @property
    def name(self) -> str:
        """The view's name."""
        return str(self["name"])

    @property
    def filter(self) -> list[str]:
        """The conditions that runs must meet, such as `status=failed`; none for all runs."""
        return list(self["filter"])

    @property
    def sort(self) -> RunOrder:
        """The order of the list."""
        return cast("RunOrder", self["sort"])

    @property
    def saved_by(self) -> str:
        """The principal that saved it last."""
        return str(self["savedBy"])

    @property
    def updated_at(self) -> datetime:
        """When it was saved last, or deleted."""
        return self._time("updatedAt")


def all_views(as_of: int | datetime | None) -> Request:
    """Read all saved views."""
    return get("/views", asOf=as_of_parameter(as_of))


def save(name: str, where: Sequence[str], sort: RunOrder) -> Request:
    """Save a view; idempotent."""
    return Request(method="PUT", path=_path(name), body={"filter": [*where], "sort": sort})


def delete(name: str) -> Request:
    """Delete a view; not repeatable, as there would be none."""
    return Request(method="DELETE", path=_path(name), is_repeatable=False)


def _path(name: str) -> str:
    return f"/views/{segment(name)}"
