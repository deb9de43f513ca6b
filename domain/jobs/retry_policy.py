"""When a failed attempt is tried again. Pure: the randomness is passed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.errors import Issue
from domain.json_values import Json

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
    def from_json(cls, policy: Mapping[str, Json] | None) -> "RetryPolicy":
        """Read a validated policy as clients give it (camelCase, every field optional)."""
        given = policy or {}
        max_delay_ms = _whole(given.get("maxDelayMs"), cls.max_delay_ms)
        shortest_default_ms = min(cls.initial_delay_ms, max_delay_ms)
        return cls(
            max_attempts=_whole(given.get("maxAttempts"), cls.max_attempts),
            strategy=str(given.get("strategy") or cls.strategy),
            initial_delay_ms=_whole(given.get("initialDelayMs"), shortest_default_ms),
            max_delay_ms=max_delay_ms,
            jitter=str(given.get("jitter") or cls.jitter),
        )

    def delay_ms(self, failed_attempt: int, random: Callable[[], float]) -> int:
        """Return the wait between the failed attempt (1, 2, …) and the next one.

        Args:
            failed_attempt: the number of the attempt that just failed.
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


def policy_issues(policy: Mapping[str, Json] | None) -> list[Issue]:
    """Return what single fields' ranges cannot tell: the first delay may not exceed the longest."""
    parsed = RetryPolicy.from_json(policy)
    if parsed.initial_delay_ms > parsed.max_delay_ms:
        message = f"initialDelayMs must be at most maxDelayMs ({parsed.max_delay_ms})"
        return [Issue("/retryPolicy/initialDelayMs", message, "maximum")]
    return []


def _whole(value: Json, default: int) -> int:
    if isinstance(value, int):
        return value
    return default
