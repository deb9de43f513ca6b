"""What the service answers about schedules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast

from apphub_jobs.client.documents import Document

Outcome = Literal["launched", "skipped", "buffered"]


class ScheduleDocument(Document):
    """A schedule, as it was when the service answered."""

    @property
    def id(self) -> str:
        """What it is called."""
        return str(self["id"])

    @property
    def version(self) -> int:
        """Its version; a change makes a new one."""
        return cast("int", self["version"])

    @property
    def job(self) -> str:
        """The slug of the job that it launches."""
        return str(self["job"])

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its runs, as far as they differ from the job's defaults."""
        return cast("Mapping[str, Any]", self["parameters"])

    @property
    def cron(self) -> str | None:
        """When it ticks, on the clocks of its zone; or `every_ms` says so."""
        return cast("str | None", self["cron"])

    @property
    def every_ms(self) -> int | None:
        """How much time passes between its ticks."""
        return cast("int | None", self["everyMs"])

    @property
    def time_zone(self) -> str:
        """An IANA name."""
        return str(self["timeZone"])

    @property
    def overlap(self) -> str:
        """What is done about a tick while a run of it has not ended."""
        return str(self["overlap"])

    @property
    def is_paused(self) -> bool:
        """Whether its ticks are skipped; `["paused"]` tells since when, by whom and why."""
        return self["paused"] is not None

    @property
    def next_at(self) -> datetime | None:
        """When the next tick fires; None where none is to come."""
        return self._time_or_none("nextAt")


class TickDocument(Document):
    """What became of a tick, or of several in a row."""

    @property
    def due_at(self) -> datetime:
        """When it was due, or the first of several."""
        return self._time("dueAt")

    @property
    def last_due_at(self) -> datetime:
        """When the last of them was due."""
        return self._time("lastDueAt")

    @property
    def ticks(self) -> int:
        """How many in a row."""
        return cast("int", self["ticks"])

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return cast("Outcome", self["outcome"])

    @property
    def cause(self) -> str:
        """`backfill` where somebody had it launched later on, else `calendar`."""
        return str(self["cause"])

    @property
    def reason(self) -> str | None:
        """Why it was skipped, as a stable word."""
        return cast("str | None", self["reason"])

    @property
    def run_id(self) -> str | None:
        """The run that it launched, or that was in its way."""
        return cast("str | None", self["runId"])


class ComingTickDocument(Document):
    """A tick to come."""

    @property
    def due_at(self) -> datetime:
        """When it is due, with the offset that its zone has then."""
        return self._time("dueAt")

    @property
    def fires_at(self) -> datetime:
        """The same with its jitter."""
        return self._time("firesAt")

    @property
    def is_excluded(self) -> bool:
        """Whether it will be skipped, since `exclude` says so."""
        return cast("bool", self["isExcluded"])
