"""Which runs of a job stand for each other, so that one of them is enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from domain.errors import Issue
from domain.jobs.reserved import ENTRY_POINTS
from domain.json_values import Json, JsonObject, canonical

Until = Literal["start", "end"]

OnConflict = Literal["keep", "replace"]

MOST_PARAMETERS = 10

MAX_VALUE_BYTES = 1_000
"""All values together, as JSON: an index holds them, whose entries end below 2 704 bytes."""


@dataclass(frozen=True)
class Unique:
    """The contract's `unique`: of runs with the same values of some parameters, one is enough.

    Attributes:
        key: the parameters' names.
        until: when another one may come: once the run has started for the first time, or once it
            has ended.
        on_conflict: which one gives way: the newer one, or the older one while it is pending.
    """

    key: Sequence[str]
    until: Until
    on_conflict: OnConflict

    @classmethod
    def from_json(cls, told: Mapping[str, Json] | None) -> "Unique | None":
        """Read what was validated when the job was registered."""
        if told is None:
            return None
        return cls(
            key=cast("Sequence[str]", told["key"]),
            until=cast("Until", told["until"]),
            on_conflict=cast("OnConflict", told["onConflict"]),
        )

    def value(self, parameters: JsonObject) -> str:
        """Return by what the runs are told apart; a parameter that is left out stays so."""
        values: JsonObject = {
            name: parameters[name] for name in self.key if name in parameters
        }
        return canonical(values).decode()

    def issues(self, schema: JsonObject, entry_point: str) -> list[Issue]:
        """Return what is wrong with it, for runs with such parameters and entry point."""
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        issues: list[Issue] = []
        if entry_point in ENTRY_POINTS:
            message = f"the service itself launches runs of {entry_point}; leave it out"
            issue = Issue("/unique", message, "not")
            issues.append(issue)
        for place, name in enumerate(self.key):
            if name in self.key[:place]:
                message = f"{name} stands twice; name each parameter once"
                issues.append(Issue(f"/unique/key/{place}", message, "uniqueItems"))
            elif name not in known:
                message = (
                    f"there is no parameter {name}; name properties of parametersSchema"
                )
                issues.append(Issue(f"/unique/key/{place}", message, "enum"))
        return issues

    def value_issues(self, parameters: JsonObject) -> list[Issue]:
        """Return what is wrong with the values of a run."""
        if len(self.value(parameters).encode()) <= MAX_VALUE_BYTES:
            return []
        names = ", ".join(self.key)
        message = (
            f"runs are unique by {names}: together, these have at most {MAX_VALUE_BYTES}"
            " bytes as JSON"
        )
        return [Issue("/parameters", message, "maxLength")]
