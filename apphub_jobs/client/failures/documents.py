"""What the service answers about failure groups."""

from datetime import datetime
from typing import Literal, cast

from apphub_jobs.client.documents import Document

FailureStatus = Literal["open", "resolved", "ignored"]


class FailureDocument(Document):
    """A group of failures, as it was when the service answered."""

    @property
    def fingerprint(self) -> str:
        """What names it."""
        return str(self["fingerprint"])

    @property
    def title(self) -> str:
        """The failures' message, with words in place of what varies."""
        return str(self["title"])

    @property
    def job(self) -> str:
        """The job's slug."""
        return str(self["job"])

    @property
    def status(self) -> FailureStatus:
        """Whether it is open."""
        return cast("FailureStatus", self["status"])

    @property
    def count(self) -> int:
        """Attempts that failed so and whose run has not succeeded since."""
        return cast("int", self["count"])

    @property
    def first_at(self) -> datetime:
        """When the first attempt failed so."""
        return self._time("firstAt")

    @property
    def last_at(self) -> datetime:
        """When the last one did."""
        return self._time("lastAt")

    @property
    def affected_versions(self) -> list[int]:
        """The versions of the job in which it failed so, the newest hundred."""
        return cast("list[int]", self["affectedVersions"])

    @property
    def sample_run(self) -> str:
        """The run of the last one."""
        return str(self["sampleRun"])
