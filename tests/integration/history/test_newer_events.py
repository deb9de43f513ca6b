"""What a newer version of the program has appended stops nothing, and nothing else is lost."""

import logging
import sys
from pathlib import Path
from uuid import UUID

import pytest

from domain import identifiers
from domain.commands import application, sweeps
from domain.errors import QuarantinedError
from domain.jobs.launching import Launch
from eventlog.database.connection import Database
from eventlog.history.reader import Replay
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections import job_runs
from projections.messages import UNKNOWN
from projections.tables import TABLES
from tests.integration.streams import server_sent, stream
from tests.support import newer
from tests.support.in_process import in_process
from tests.support.logs import TESTER, Parts, query, registered


async def launched(part: Parts, slug: str, count: int, launch: Launch) -> list[UUID]:
    return [(await part.jobs.launch(slug, launch, TESTER)).run_id for _ in range(count)]


async def claimed(part: Parts, slots: int) -> list[UUID]:
    return [claim.run.id for claim in await part.executions.claim("w", slots)]


async def test_claims_pass_over_runs_that_cannot_be_read(
    part: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    unreadable = await launched(part, slug, 60, Launch(priority=5))
    readable = await launched(part, slug, 3, Launch())
    for run_id in unreadable[::2]:
        newer.append(part.url, run_id, "job_run.of_a_version_to_come")
    for run_id in unreadable[1::2]:
        newer.append(part.url, run_id, "job_run.progressed", newer.NEWER_SHAPE)
    taken: list[UUID] = []
    for _ in range(100):
        taken += await claimed(part, 2)
    assert sorted(taken) == sorted(readable)
    assert part.jobs.quarantine.added == len(unreadable)
    records = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(records) == len(unreadable)
    with pytest.raises(QuarantinedError, match="unknown to this version"):
        await part.jobs.cancel(unreadable[0], None, TESTER)


async def test_runs_of_a_job_that_cannot_be_read_are_passed_over(part: Parts) -> None:
    slug = await registered(part.jobs, "newer")
    other = await registered(part.jobs, "other")
    await part.worker("w")
    await launched(part, slug, 3, Launch(priority=5))
    readable = await launched(part, other, 1, Launch())
    newer.append(part.url, identifiers.definition_id(slug), "job_definition.frozen")
    assert await claimed(part, 8) == readable
    with pytest.raises(QuarantinedError):
        await part.jobs.revise_job(slug, {"name": "x"}, None, TESTER)


async def test_sweeps_pass_over_runs_that_cannot_be_read(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    lost = await launched(part, slug, 3, Launch(max_attempts=1))
    await claimed(part, 3)
    late = await launched(part, slug, 3, Launch(start_deadline_ms=1))
    newer.append(part.url, lost[1], "job_run.of_a_version_to_come")
    newer.append(part.url, late[1], "job_run.of_a_version_to_come")
    await part.heartbeats.leave("w")
    recovered = await part.sweeps.recover([], "observer")
    assert sorted(recovered) == sorted([lost[0], lost[2]])
    assert not await part.heartbeats.has_orphaned_runs()
    assert await part.sweeps.expire_overdue() == 2
    assert await part.sweeps.expire_overdue() == 0
    statuses = dict(query(part.url, "SELECT id, status FROM job_runs"))
    assert [statuses[run_id] for run_id in (*lost, *late)] == [
        *("failed", "running", "failed"),
        *("expired", "pending", "expired"),
    ]


MAX_QUARANTINED = 6
"""Runs that are remembered as unreadable, far fewer than there are."""


async def unreadable_runs(part: Parts, slug: str, launch: Launch) -> list[UUID]:
    """Launch more unreadable runs than are remembered, or looked at in one go."""
    part.jobs.quarantine.max_size = MAX_QUARANTINED
    run_ids = await launched(part, slug, 5 * MAX_QUARANTINED, launch)
    for run_id in run_ids:
        newer.append(part.url, run_id, "job_run.of_a_version_to_come")
    return run_ids


async def test_claims_pass_over_more_unreadable_runs_than_are_remembered(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "MAX_TRIES", 4)
    slug = await registered(part.jobs)
    await part.worker("w")
    unreadable = await unreadable_runs(part, slug, Launch(priority=5))
    readable = await launched(part, slug, 5, Launch())
    taken: list[UUID] = []
    for _ in unreadable:
        claims = await part.executions.claim("w", 2)
        taken += [claim.run.id for claim in claims]
        if not claims.is_cut:
            break
    assert part.jobs.quarantine.added == len(unreadable)
    assert len(taken) == 2
    # From now on they cost nothing.
    for _ in range(3):
        taken += await claimed(part, 2)
    assert sorted(taken) == sorted(readable)
    assert part.jobs.quarantine.added == len(unreadable)


async def test_expiry_passes_over_more_unreadable_runs_than_are_remembered(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "SWEEP_LIMIT", 4)
    slug = await registered(part.jobs)
    unreadable = await unreadable_runs(part, slug, Launch(start_deadline_ms=1))
    await launched(part, slug, 3, Launch(start_deadline_ms=1))
    assert await part.sweeps.expire_overdue() == 3
    assert await part.sweeps.expire_overdue() == 0
    assert part.jobs.quarantine.added == len(unreadable)
    await launched(part, slug, 1, Launch(start_deadline_ms=1))
    assert await part.sweeps.expire_overdue() == 1


async def test_a_replay_shows_what_it_cannot_read_and_goes_on(part: Parts) -> None:
    slug = await registered(part.jobs)
    one, two, three = await launched(part, slug, 3, Launch())
    positions = newer.append_all(part.url, one, two)
    await part.jobs.cancel(three, None, TESTER)
    for after in range(await part.reader.head()):
        for max_rows in (1, 100):
            events = await part.reader.after(after)
            steps = await Replay(part.reader, max_rows).steps(events)
            unreadable = [step.event.position for step in steps if step.event.unreadable]
            assert unreadable == [one for one in positions if one > after]
            assert steps[-1].after["status"] == "canceled"


async def test_streams_lists_and_answers_go_on(part: Parts, tmp_path: Path) -> None:
    slug = await registered(part.jobs)
    one, two, three = await launched(part, slug, 3, Launch())
    with in_process(part.url, tmp_path) as api, stream(api.client) as opened:
        opened.next()
        positions = newer.append_all(part.url, one, two)
        last = api.client.post(f"/jobs/{slug}/run", json={}).json()["data"]["id"]
        message = opened.until(lambda received: received["type"] == "job.run.pending")
        assert message["data"]["run"]["id"] == last
        unknown = [received for received in opened.received if received["type"] == UNKNOWN]
        assert [received["position"] for received in unknown] == positions
        first = unknown[0]["data"]["event"]
        assert first["type"] == "job_run.of_a_version_to_come"
        assert first["subject"] == {"type": "job_run", "id": str(one)}
        assert first["occurredAt"] == "2030-01-01T00:00:00.000Z"
        assert first["actor"] == "newer"
        assert first["data"] == {"why": "to come"}
        assert unknown[1]["data"]["event"]["data"] == {"new": [1], "class_version": 99}

        with (
            stream(api.client, after=0, types=UNKNOWN) as resumed,
            server_sent(api.client, after=positions[0] - 1) as events,
        ):
            resumed.until(lambda received: received.get("position") == positions[-1])
            events.until(lambda received: received.get("position") == positions[-1])

        listed = api.client.get("/events", params={"limit": 1000}).json()["data"]
        assert [entry["position"] for entry in listed if entry["actor"] == "newer"] == (positions)
        runs = api.client.get("/job-runs").json()["data"]
        quarantined = {entry["run"]["id"] for entry in runs if entry["run"].get("quarantined")}
        assert quarantined == {str(one), str(two)}
        of_job = api.client.get(f"/jobs/{slug}/runs").json()["data"]
        assert sum("quarantined" in entry for entry in of_job) == len(quarantined)
        for path in ("", "/events", "/attempts", f"?asOf={positions[-1]}"):
            for run_id in (one, two, three):
                answer = api.client.get(f"/job-runs/{run_id}{path}")
                assert answer.status_code == 200, answer.text
        for past in ("/job-runs", "/job-runs/counts"):
            then = api.client.get(past, params={"asOf": positions[0]})
            assert then.status_code == 200, then.text
        refused = api.client.post(f"/job-runs/{one}/cancel")
        assert (refused.status_code, refused.json()["code"]) == (409, "quarantined")
        # The process has met one of them when it was to decide on it.
        assert "\napphub_quarantined 1" in api.client.get("/metrics").text
    assert newer.MODULE not in sys.modules


async def test_verify_names_what_it_cannot_read_and_rebuild_leaves_it(part: Parts) -> None:
    slug = await registered(part.jobs)
    one, two, three = await launched(part, slug, 3, Launch())
    newer.append_all(part.url, one, two)
    query(part.url, "UPDATE job_runs SET slug = 'spoilt' RETURNING 1")
    differences: list[Difference] = []
    database = Database(part.url)
    checked = await verify(database, TABLES, differences.append, lambda *_: None)
    kinds = {difference.key: difference.kind for difference in differences}
    assert kinds == {str(one): "unreadable", str(two): "unreadable", str(three): "differs"}
    assert "job_run.of_a_version_to_come" in str(differences[0].reason)
    assert [table.unreadable for table in checked if table.unreadable] == [2]

    rebuilt = await rebuild(database, job_runs.TABLE, lambda _: None, lambda *_: None)
    assert (rebuilt.repaired, rebuilt.comparison.differences) == (1, 0)
    slugs = dict(query(part.url, "SELECT id, slug FROM job_runs"))
    assert slugs == {one: "spoilt", two: "spoilt", three: slug}
