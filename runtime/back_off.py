"""How long to wait before something that failed is tried again."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_DOUBLINGS = 32
"""Enough for every sensible bound; without a limit, the power would become too large a number."""


@dataclass(frozen=True)
class BackOff:
    """Pauses that double with each failure in a row.

    Attributes:
        first_s: the longest pause after the first failure.
        at_most_s: the longest pause of all.
        forget_after_s: what ran well for so long begins with the first pause again.
    """

    first_s: float = 0.1
    at_most_s: float = 5.0
    forget_after_s: float = 30.0

    def pause_s(self, failures: int, random: Callable[[], float]) -> float:
        """Return how long to wait after so many failures in a row.

        It lies between a half and the whole of what the doubling says, so that many processes that
        fail for one reason do not come back all at once.

        Args:
            failures: at least 1.
            random: returns a number from 0 up to 1.
        """
        doublings = min(failures - 1, MAX_DOUBLINGS)
        longest_s = min(self.first_s * 2.0**doublings, self.at_most_s)
        return longest_s * (1 + random()) / 2
