"""The names beside the events that are read from a service."""

from typing import NoReturn
from uuid import UUID, uuid4

import pytest

from apphub_jobs.client import Client, NotFoundError
from cli import event_sources
from cli.event_sources import ServiceSource
from projections.envelope import Envelope


class StubClient(Client):
    """Knows no run, and keeps the ids that are requested."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.requested_ids: list[str] = []

    def run(self, run_id: str) -> NoReturn:
        self.requested_ids.append(run_id)
        raise NotFoundError(404, "run_not_found", "run not found", {})


def _event(run_id: UUID, topic: str, **data: str) -> Envelope:
    return Envelope(run_id, 1, 1, topic, "2026-11-24T14:31:04.123Z", {**data})


async def test_the_names_of_the_last_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_sources, "NAMES_KEPT", 2)
    client = StubClient()
    source = ServiceSource(client)
    ids = [uuid4() for _ in range(3)]
    requested = [_event(run_id, "job_run.requested", slug=f"job-{run_id}") for run_id in ids]
    assert await source.names(requested) == {run_id: f"job-{run_id}" for run_id in ids}
    later = [_event(run_id, "job_run.started") for run_id in ids]
    assert await source.names(later) == {run_id: f"job-{run_id}" for run_id in ids[1:]}
    assert client.requested_ids == [str(ids[0])]
