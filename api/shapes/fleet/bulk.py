"""Bulk operations: what clients send and what they see."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.shapes.base import Shape, with_columns
from api.shapes.fields import JsonObject, _Body
from api.shapes.runs import Run
from domain.bulk.order import Action, Order, failed_so
from domain.errors import InvalidInputError, Issue
from domain.filters.words import MAX_WORDS
from projections.bulk import row as bulk

_REASON = Annotated[str, Field(min_length=1, max_length=1_000)]


class Refusal(BaseModel):
    """A run that what is ordered cannot be done to."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(description="its id")
    code: str = Field(description="why, for programs")
    why: str = Field(description="why, for people")


_COLUMNS = {name: column for name, column in bulk.SHOWN.items() if name != "refusals"}


@with_columns(bulk.BulkRow, _COLUMNS)
class BulkOperation(Shape):
    """An order about all runs that matched a filter, and how far it has got."""

    refusals: list[Refusal]
    position: int = Field(
        description="of the log, as of which the runs were chosen and counted"
    )


class BulkPreview(Shape):
    """What an order would come to."""

    count: int = Field(description="how many runs it is about")
    position: int = Field(description="of the log, as of which they were counted")
    sample: list[Run] = Field(description="the newest of them")
    refused: list[Refusal] = Field(
        description="those that would be refused among the newest hundred"
    )


class BulkPatch(_Body):
    """What new runs have instead of what the runs had that they repeat."""

    parameters: JsonObject = Field(description="each replaces the one of its name")


class _Order(_Body):
    reason: _REASON | None = Field(
        default=None, description="why; it may be left out where `dryRun` is true"
    )
    patch: BulkPatch | None = None
    dry_run: bool = Field(default=False, description="only say what it would come to")

    def _ordered(self, action: Action, words: list[str]) -> Order:
        """Return what is ordered.

        Raises:
            InvalidInputError: something is to be done, and nobody says why.
        """
        if self.reason is None and not self.dry_run:
            message = "say why: it stays in the history of each run; or give dryRun"
            raise InvalidInputError([Issue("/reason", message, "required")])
        patch: JsonObject | None = None
        if self.patch is not None:
            patch = self.patch.parameters
        return Order(action=action, filter=words, reason=self.reason or "", patch=patch)


class BulkBody(_Order):
    """An order about many runs."""

    action: Action = Field(
        description="`cancel` is for runs that are pending or running, `retry` for those that"
        " failed or expired or were canceled, `rerun` for all that have ended"
    )
    filter: Annotated[list[str], Field(max_length=MAX_WORDS)] = Field(
        description='conditions that must all hold, such as `["job=report", "status!=expired"]`;'
        ' `["all"]` for all runs that the action is for'
    )

    def order(self) -> Order:
        """Return what is ordered. Raises InvalidInputError where nobody says why."""
        return self._ordered(self.action, self.filter)


class RetryGroupBody(_Order):
    """An order to launch anew what failed alike."""

    def order(self, job: str, fingerprint: str) -> Order:
        """Return what is ordered. Raises InvalidInputError where nobody says why."""
        return self._ordered("retry", failed_so(job, fingerprint))


class AbortBody(_Body):
    """Why to stop."""

    reason: _REASON | None = None
