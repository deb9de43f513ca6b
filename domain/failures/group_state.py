"""What decisions need to know of a failure group."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

Status = Literal["open", "resolved", "ignored"]

MOST_VERSIONS = 100
"""Versions of its job that a group names, the newest; each is a part of its row."""


class GroupState:
    """The state of a failure group; its events move it.

    Attributes:
        fingerprint: what names it.
        status: `resolved` by somebody, or because none of its failures is left.
        count: its failures whose run has not succeeded since.
        last_at: when the last attempt failed so.
        versions: of its job in which it failed so, in order.
        resolved_at: when it was resolved, if it ever was.
        resolved_in: the version of the job from which on a failure reopens it, None for any.
    """

    fingerprint: str
    status: Status
    count: int
    last_at: datetime
    versions: list[int]
    resolved_at: datetime | None
    resolved_in: int | None

    def add(self, failures: int, last_at: datetime, versions: Iterable[int]) -> None:
        """Add more of its failures."""
        self.count += failures
        self.last_at = max(self.last_at, last_at)
        self.versions = united(self.versions, versions)

    def take_away(self, failures: int, at: datetime) -> None:
        """Take failures away whose run has succeeded since."""
        self.count = left_after(self.count, failures)
        if self.status == "open" and self.count == 0:
            self.settle(at, None)

    def settle(self, at: datetime, in_version: int | None) -> None:
        """Note that it is mended."""
        self.status = "resolved"
        self.resolved_at = at
        self.resolved_in = in_version


def united(versions: Iterable[int], more: Iterable[int]) -> list[int]:
    """Return the versions of both, in order; the newest, where there are very many."""
    both = {*versions, *more}
    return sorted(both)[-MOST_VERSIONS:]


def left_after(count: int, recovered: int) -> int:
    """Return how many failures are left; never less than none."""
    return max(count - recovered, 0)
