"""An API of each release on one log: both are asked, and both are followed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.support import launch
from tests.integration.streams import Stream
from tests.support.logs import query
from tests.support.processes import wait_for_run

PATIENCE_S = 60.0
"""A dead worker's runs are taken over once its lease is over, on a machine that may be busy."""


class Mixed:
    """Clients of an older API and of this one's.

    Attributes:
        launched: the runs that were accepted, and so must come to their ends.
    """

    def __init__(self, older: httpx.Client, newer: httpx.Client) -> None:
        self.apis = (older, newer)
        self.launched: list[str] = []

    def launch(self, number: int, slug: str, **body: object) -> list[str]:
        """Launch runs at both, in turn."""
        ids = [launch(self.apis[one % 2], slug, **body) for one in range(number)]
        self.launched += ids
        return ids

    def wait(self, run_ids: list[str], *statuses: str) -> None:
        """Wait until both say that the runs have one of these statuses."""
        for run_id in run_ids:
            for api in self.apis:
                wait_for_run(api, run_id, *statuses, timeout_s=PATIENCE_S)

    def leaves_alone(self, alone: Mapping[str, str]) -> None:
        """See nobody touch these runs, whose statuses are given, and both say why."""
        for run_id, status in alone.items():
            for api in self.apis:
                run = wait_for_run(api, run_id, status)
                assert run["quarantined"] is True

    def has_lost_nothing(self) -> None:
        """See every run succeed that was accepted, and both tell the same of it."""
        for run_id in self.launched:
            answers = [wait_for_run(api, run_id, timeout_s=PATIENCE_S) for api in self.apis]
            older, newer = answers
            assert newer["status"] == "succeeded", newer
            assert {name: newer[name] for name in older} == older


class Gate:
    """Runs that go on until it is opened, so that a worker can be killed while it has them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def launch(self) -> dict[str, Any]:
        """How to launch `test.count` for it."""
        return {"parameters": {"lines": 0, "until": str(self.path)}}

    def open(self) -> None:
        """Let them end."""
        self.path.touch()


def head(url: str) -> int:
    """Return where the log ends."""
    [(position,)] = query(url, "SELECT max(notification_id) FROM jobs_events")
    return int(position)


def positions(stream: Stream) -> list[int]:
    """Return of which places in the log a client was told completely."""
    return [one["position"] for one in stream.received if "eventId" in one and not one.get("more")]
