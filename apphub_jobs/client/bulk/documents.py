"""What the service answers about bulk operations."""

from collections.abc import Mapping
from typing import Literal, cast

from apphub_jobs.client.documents import Document, RunDocument
from apphub_jobs.contract import Json

BulkAction = Literal["cancel", "retry", "rerun"]

BulkStatus = Literal["running", "completed", "aborted"]


class RefusalDocument(Document):
    """A run that what was ordered cannot be done to."""

    @property
    def run(self) -> str:
        """Its id."""
        return str(self["run"])

    @property
    def code(self) -> str:
        """Why, as a stable word."""
        return str(self["code"])

    @property
    def why(self) -> str:
        """The same for people."""
        return str(self["why"])


class BulkDocument(Document):
    """A bulk operation, as it was when the service answered."""

    @property
    def id(self) -> str:
        """What names it."""
        return str(self["id"])

    @property
    def action(self) -> BulkAction:
        """What is done to each run."""
        return cast("BulkAction", self["action"])

    @property
    def filter(self) -> list[str]:
        """Which runs: conditions such as `job=report`."""
        return list(self["filter"])

    @property
    def reason(self) -> str:
        """Why, as who ordered it says."""
        return str(self["reason"])

    @property
    def status(self) -> BulkStatus:
        """Whether it goes on."""
        return cast("BulkStatus", self["status"])

    @property
    def is_over(self) -> bool:
        """Whether it goes through no more runs."""
        return self.status != "running"

    @property
    def total(self) -> int:
        """How many runs were chosen."""
        return cast("int", self["total"])

    @property
    def done(self) -> int:
        """To how many of them it was done."""
        return cast("int", self["done"])

    @property
    def refused(self) -> int:
        """How many of them were refused."""
        return cast("int", self["refused"])

    @property
    def refusals(self) -> list[RefusalDocument]:
        """The first of these."""
        return [RefusalDocument(one) for one in self["refusals"]]

    @property
    def patch(self) -> Mapping[str, Json] | None:
        """The parameters that new runs get, None where they get those of the runs they repeat."""
        return cast("Mapping[str, Json] | None", self["patch"])

    @property
    def requested_by(self) -> str:
        """Who ordered it."""
        return str(self["requestedBy"])

    @property
    def position(self) -> int:
        """The place in the log as of which the runs were chosen."""
        return cast("int", self["position"])


class BulkPreviewDocument(Document):
    """What an order would come to."""

    @property
    def count(self) -> int:
        """How many runs it is about."""
        return cast("int", self["count"])

    @property
    def position(self) -> int:
        """The place in the log as of which they were counted."""
        return cast("int", self["position"])

    @property
    def sample(self) -> list[RunDocument]:
        """The newest of them."""
        return [RunDocument(run) for run in self["sample"]]

    @property
    def refused(self) -> list[RefusalDocument]:
        """Those that would be refused, among the newest hundred."""
        return [RefusalDocument(one) for one in self["refused"]]
