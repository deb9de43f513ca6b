"""Requests about workers, and the document of a worker; shared by both clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast

from apphub_jobs.client.documents import Document
from apphub_jobs.client.requests.request import Request, get, segment

WorkerState = Literal["alive", "draining", "lost"]


class WorkerDocument(Document):
    """A worker, as of the service's answer."""

    @property
    def id(self) -> str:
        """The worker's id."""
        return str(self["id"])

    @property
    def state(self) -> WorkerState:
        """Whether it claims runs: a draining worker does not, a lost one has no valid lease."""
        return cast("WorkerState", self["state"])

    @property
    def host(self) -> str:
        """The host that it runs on."""
        return str(self["host"])

    @property
    def version(self) -> str | None:
        """The version of its program; None if it reports none."""
        return cast("str | None", self["version"])

    @property
    def slots(self) -> int:
        """How many runs it executes at a time, each in a process of its own."""
        return cast("int", self["slots"])

    @property
    def shared_slots(self) -> int:
        """How many more runs it executes at a time in shared processes."""
        return cast("int", self.get("sharedSlots", 0))

    @property
    def busy(self) -> int:
        """How many of its slots are in use."""
        return cast("int", self["busy"])

    @property
    def shared_busy(self) -> int:
        """How many of its shared slots are in use."""
        return cast("int", self.get("sharedBusy", 0))

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels, which jobs may require by `worker_labels`."""
        return cast("Mapping[str, str]", self["labels"])

    @property
    def entry_points(self) -> list[str] | None:
        """The entry points that it has handlers for; None if it accepts all."""
        return cast("list[str] | None", self["entryPoints"])

    @property
    def pythons(self) -> list[Mapping[str, Any]]:
        """The interpreters of its handlers, with `path`, `version` and `entryPoints`."""
        return cast("list[Mapping[str, Any]]", self.get("pythons", []))

    @property
    def started_at(self) -> datetime:
        """When it started."""
        return self._time("startedAt")

    @property
    def last_beat_at(self) -> datetime:
        """When its last heartbeat was recorded."""
        return self._time("lastBeatAt")


def page() -> Request:
    """Read the first page of workers."""
    return get("/workers")


def drain(worker_id: str) -> Request:
    """Drain a worker; idempotent."""
    path = f"/workers/{segment(worker_id)}/drain"
    return Request(method="POST", path=path)
