"""The policies of a job: retries, rate limit, uniqueness and retention, read from its JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Self, cast

from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical

DEFAULT_INITIAL_DELAY_MS = 1_000
MAX_DELAY_MS = 86_400_000


@dataclass(frozen=True)
class RetryPolicy:
    """The contract's `retryPolicy`, with its gaps filled.

    Attributes:
        max_attempts: 1-10; the first attempt counts.
        strategy: `none` (retry without delay), `fixed` or `exponential` (doubling).
        initial_delay_ms: the delay before the second attempt.
        max_delay_ms: no delay is longer.
        jitter: `none`, `full` (anything up to the delay) or `equal` (at least half of it).
    """

    max_attempts: int = 1
    strategy: str = "none"
    initial_delay_ms: int = DEFAULT_INITIAL_DELAY_MS
    max_delay_ms: int = MAX_DELAY_MS
    jitter: str = "none"

    @classmethod
    def from_json(cls, policy: Mapping[str, Json] | None) -> Self:
        """Read a validated policy in the form of clients (camelCase, all fields optional)."""
        fields = policy or {}
        max_delay_ms = _whole(fields.get("maxDelayMs"), cls.max_delay_ms)
        shortest_default_ms = min(cls.initial_delay_ms, max_delay_ms)
        return cls(
            max_attempts=_whole(fields.get("maxAttempts"), cls.max_attempts),
            strategy=str(fields.get("strategy") or cls.strategy),
            initial_delay_ms=_whole(fields.get("initialDelayMs"), shortest_default_ms),
            max_delay_ms=max_delay_ms,
            jitter=str(fields.get("jitter") or cls.jitter),
        )

    def delay_ms(self, failed_attempt: int, random: Callable[[], float]) -> int:
        """Return the delay between a failed attempt and the next one.

        Args:
            failed_attempt: the number of the failed attempt (1, 2, …).
            random: returns a number in [0, 1).
        """
        if self.strategy == "none":
            return 0
        delay = self.initial_delay_ms
        if self.strategy == "exponential":
            delay *= 2 ** (failed_attempt - 1)
        delay = min(delay, self.max_delay_ms)
        if self.jitter == "full":
            return int(delay * random())
        if self.jitter == "equal":
            half = delay / 2
            delay_ms = half + half * random()
            return int(delay_ms)
        return delay

    def issues(self) -> list[Issue]:
        """Return an issue if the first delay exceeds the longest."""
        if self.initial_delay_ms <= self.max_delay_ms:
            return []
        message = f"initialDelayMs must be at most maxDelayMs ({self.max_delay_ms})"
        return [Issue("/retryPolicy/initialDelayMs", message, "maximum")]


def _whole(value: Json, default: int) -> int:
    if isinstance(value, int):
        return value
    return default


MAX_PERIOD_MS = 2_678_400_000
"""31 days."""


@dataclass(frozen=True)
class RateLimit:
    """The contract's `rateLimit`: how many runs may start within any period.

    Periods are sliding windows, not aligned to the clock.

    Attributes:
        limit: 1 to `MAX_STARTS` starts; each attempt counts.
        period: up to 31 days.
        key: a parameter's name: the limit holds for each of its values. None: it holds for all of
            the job's runs together.
    """

    limit: int
    period: timedelta
    key: str | None

    @classmethod
    def from_json(cls, fields: Mapping[str, Json] | None) -> Self | None:
        """Read fields that were validated when the job was registered."""
        if fields is None:
            return None
        period_ms = cast("int", fields["periodMs"])
        return cls(
            limit=cast("int", fields["limit"]),
            period=timedelta(milliseconds=period_ms),
            key=cast("str | None", fields.get("key")),
        )

    @cached_property
    def period_ms(self) -> int:
        """The period in milliseconds."""
        return self.period // timedelta(milliseconds=1)


Until = Literal["start", "end"]

OnConflict = Literal["keep", "replace"]

MAX_PARAMETERS = 10

MAX_VALUE_BYTES = 1_000
"""Of all values together, as JSON: an index holds them, whose entries have at most 2 704 bytes."""


@dataclass(frozen=True)
class Unique:
    """The contract's `unique`: only one run may have the same values of some parameters.

    Attributes:
        key: the parameters' names.
        until: until when no other run may: until the run starts for the first time, or ends.
        on_conflict: `keep` refuses the newer run, `replace` cancels the older one while it is
            pending.
    """

    key: Sequence[str]
    until: Until
    on_conflict: OnConflict

    @classmethod
    def from_json(cls, fields: Mapping[str, Json] | None) -> Self | None:
        """Read fields that were validated when the job was registered."""
        if fields is None:
            return None
        return cls(
            key=cast("Sequence[str]", fields["key"]),
            until=cast("Until", fields["until"]),
            on_conflict=cast("OnConflict", fields["onConflict"]),
        )

    def value(self, parameters: JsonObject) -> str:
        """Return the values of those of the key's parameters that are given, as canonical JSON."""
        values: JsonObject = {name: parameters[name] for name in self.key if name in parameters}
        return canonical(values).decode()

    def issues(self, schema: JsonObject) -> list[Issue]:
        """Return what is wrong with it for a job with this schema."""
        properties = schema.get("properties")
        parameters = properties if isinstance(properties, dict) else {}
        issues: list[Issue] = []
        for index, name in enumerate(self.key):
            if name in self.key[:index]:
                message = f"{name} stands twice; name each parameter once"
                issues.append(Issue(f"/unique/key/{index}", message, "uniqueItems"))
            elif name not in parameters:
                message = f"there is no parameter {name}; name properties of parametersSchema"
                issues.append(Issue(f"/unique/key/{index}", message, "enum"))
        return issues

    def value_issues(self, parameters: JsonObject) -> list[Issue]:
        """Return what is wrong with a run's values."""
        if len(self.value(parameters).encode()) <= MAX_VALUE_BYTES:
            return []
        names = ", ".join(self.key)
        message = (
            f"runs are unique by {names}: together, these have at most {MAX_VALUE_BYTES}"
            " bytes as JSON"
        )
        return [Issue("/parameters", message, "maxLength")]


MAX_RETENTION_MS = 3_153_600_000_000
"""A hundred years."""

_FIELDS = {
    "succeeded": "succeededMs",
    "failed": "failedMs",
    "canceled": "canceledMs",
    "expired": "expiredMs",
}


@dataclass(frozen=True)
class Retention:
    """The contract's `retention`.

    Attributes:
        kept: by the status in which a run ended, how long after its end it is archived. Runs of
            other statuses are not archived.
    """

    kept: Mapping[str, timedelta]

    @classmethod
    def from_json(cls, fields: Mapping[str, Json] | None) -> Self:
        """Read fields that were validated when the job was registered."""
        kept: dict[str, timedelta] = {}
        for status, name in _FIELDS.items():
            kept_ms = (fields or {}).get(name)
            if kept_ms is not None:
                kept[status] = timedelta(milliseconds=cast("int", kept_ms))
        return cls(kept)

    def ended_before(self, now: datetime) -> dict[str, datetime]:
        """Return, by status, the moment before which runs must have ended to be archived now."""
        return {status: now - kept for status, kept in self.kept.items()}
