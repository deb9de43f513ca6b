"""What may be ordered of many runs at a time, and of which ones. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from domain.errors import InvalidInputError, Issue
from domain.filters.conditions import Conditions
from domain.filters.runs import conditions_of
from domain.filters.words import EVERYTHING, read
from domain.json_values import JsonObject, canonical

Action = Literal["cancel", "retry", "rerun"]

ACTIONS: tuple[Action, ...] = ("cancel", "retry", "rerun")

MEANT: dict[Action, tuple[str, ...]] = {
    "cancel": ("pending", "running"),
    "retry": ("failed", "canceled", "expired"),
    "rerun": ("succeeded", "failed", "canceled", "expired"),
}
"""The statuses of runs that an action is for; the filter selects among these."""

MAX_PATCH_BYTES = 65_536
"""Of a patch as JSON: it stands in the log, and in each new run's parameters."""

FILTER = "/filter"
PATCH = "/patch"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody wants done.

    Attributes:
        filter: conditions such as `status=failed`, or the one word `all`.
        reason: why, for the log.
        patch: parameters that new runs get instead of those of the runs they repeat.
    """

    action: Action
    filter: Sequence[str]
    reason: str
    patch: JsonObject | None = None

    def said(self) -> dict[str, Any]:
        """Return it as it stands in the log."""
        return {
            "action": self.action,
            "filter": [*self.filter],
            "reason": self.reason,
            "patch": self.patch,
        }

    def is_same(self, other: "Order") -> bool:
        """Return whether the other one says the same, to the letter."""
        return canonical(self.said()) == canonical(other.said())


def chosen_by(action: Action, words: Sequence[str]) -> Conditions:
    """Return which runs an action is about.

    Raises:
        InvalidInputError: the words are no filter, or leave no run that the action is for.
    """
    conditions = Conditions()
    if [*words] != [EVERYTHING]:
        conditions = conditions_of(read(words, FILTER), FILTER)
        if not conditions.restrict:
            message = (
                f"means all runs; give conditions, or [{EVERYTHING!r}] if all are meant"
            )
            raise InvalidInputError([Issue(FILTER, message, "minItems")])
    meant = conditions.only(MEANT[action])
    if not meant.statuses:
        message = (
            f"leaves no run: {action} is for runs that are {', '.join(MEANT[action])}"
        )
        raise InvalidInputError([Issue(f"{FILTER}/status", message, "enum")])
    return meant


def failed_so(job: str, fingerprint: str) -> list[str]:
    """Return the filter of a failure group's runs, without those that were repeated already."""
    return [f"job={job}", f"failureGroup={fingerprint}", "retried=false"]


def checked(order: Order) -> Conditions:
    """Return which runs an order is about.

    Raises:
        InvalidInputError: the filter is none, or the patch does not go with the order.
    """
    conditions = chosen_by(order.action, order.filter)
    if order.patch is None:
        return conditions
    if order.action == "cancel":
        message = "changes parameters, and canceled runs are not launched; leave it out"
        raise InvalidInputError([Issue(PATCH, message, "not")])
    if not conditions.jobs.wanted:
        message = "changes parameters of a job: name it in the filter, as job=SLUG"
        raise InvalidInputError([Issue(PATCH, message, "dependentRequired")])
    size = len(canonical(order.patch))
    if size > MAX_PATCH_BYTES:
        message = f"has {size} bytes as JSON; at most {MAX_PATCH_BYTES} are possible"
        raise InvalidInputError([Issue(PATCH, message, "maxLength")])
    return conditions
