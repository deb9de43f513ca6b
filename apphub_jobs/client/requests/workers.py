"""Requests about workers, and what a worker looks like; shared by both clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, cast
from urllib.parse import quote

from apphub_jobs.client.documents import Document
from apphub_jobs.client.requests.request import Request, reading

WorkerState = Literal["alive", "draining", "lost"]


class WorkerDocument(Document):
    """A worker, as it was when the service answered."""

    @property
    def id(self) -> str:
        """The worker's id."""
        return str(self["id"])

    @property
    def state(self) -> WorkerState:
        """Whether it works."""
        return cast("WorkerState", self["state"])

    @property
    def host(self) -> str:
        """Where it runs."""
        return str(self["host"])

    @property
    def version(self) -> str | None:
        """The version of its program, where it says."""
        return cast("str | None", self["version"])

    @property
    def slots(self) -> int:
        """How many runs it executes at a time."""
        return cast("int", self["slots"])

    @property
    def shared_slots(self) -> int:
        """How many runs beside these may share a process, of jobs that say so."""
        return cast("int", self.get("sharedSlots", 0))

    @property
    def busy(self) -> int:
        """How many it executes now, but for those that share a process."""
        return cast("int", self["busy"])

    @property
    def shared_busy(self) -> int:
        """How many of those that share a process it executes now."""
        return cast("int", self.get("sharedBusy", 0))

    @property
    def labels(self) -> Mapping[str, str]:
        """What tells it from others, and what jobs may ask for."""
        return cast("Mapping[str, str]", self["labels"])

    @property
    def entry_points(self) -> list[str] | None:
        """What it offers; None of one that takes everything."""
        return cast("list[str] | None", self["entryPoints"])

    @property
    def started_at(self) -> datetime:
        """When it started."""
        return self._time("startedAt")

    @property
    def last_beat_at(self) -> datetime:
        """When it last proved that it lives."""
        return self._time("lastBeatAt")


def page(cursor: str | None) -> Request:
    """Ask for a page of workers."""
    return reading("/workers", cursor=cursor)


def drained(worker_id: str) -> Request:
    """Ask a worker to come to its end; asking again is the same."""
    path = f"/workers/{quote(worker_id, safe='')}/drain"
    return Request(method="POST", path=path)
