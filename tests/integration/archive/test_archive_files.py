"""Sound archive files are served; missing or damaged ones are named by whatever needs them."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog import rehydration
from eventlog.archive.files import ArchiveError
from eventlog.history.audit import Audit, EventFilter
from eventlog.rehydration import END, read_parts
from projections.envelope import EventRow
from tests.support.logs import TESTER, parts
from tests.support.processes import started
from tests.support.sample_logs.archives import archive_now, ended_run, files_in, run_command


@pytest.fixture
async def damaged(database_url: str, tmp_path: Path) -> tuple[str, Path, str]:
    """Give a database with an archived run, its file, and the run's id."""
    async with parts(database_url) as part:
        run_id = str(await ended_run(part))
    await archive_now(database_url, tmp_path / "data" / "archive")
    return database_url, files_in(tmp_path / "data" / "archive")[0], run_id


DAMAGE: dict[str, Any] = {
    "is missing": lambda path: path.unlink(),
    "is damaged": lambda path: path.write_bytes(path.read_bytes()[:-30] + bytes(30)),
    "is damaged (it has": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_what_was_written_is_named(
    damaged: tuple[str, Path, str], tmp_path: Path, damage: str
) -> None:
    url, path, run_id = damaged
    DAMAGE[damage](path)
    for extra in ((), ("--json",)):
        verified = run_command(url, tmp_path, "verify", *extra)
        assert verified.popen.returncode == 1
        [line] = verified.lines
        assert f"{path} {damage}" in line
        assert "put it back" in line
    if damage.endswith("has"):
        return
    rebuilt = run_command(url, tmp_path, "projections", "rebuild", "job_runs")
    assert rebuilt.popen.returncode == 1
    assert f"archive file {path} {damage}" in rebuilt.errors[-1]
    exported = run_command(url, tmp_path, "events", "export")
    assert exported.popen.returncode == 1
    assert f"archive file {path} {damage}" in exported.errors[-1]
    with (
        started(
            "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), APPHUB_DATABASE_URL=url
        ) as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        for call in (
            f"/job-runs/{run_id}/events",
            f"/job-runs/{run_id}/attempts",
            "/events?after=0",
        ):
            answer = client.get(call)
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "archive_unavailable"
            assert path.name in answer.json()["error"]
        assert client.get(f"/job-runs/{run_id}").status_code == 200


async def test_a_page_reads_only_the_files_of_its_own_events(
    database_url: str, tmp_path: Path
) -> None:
    async with parts(database_url, archive=tmp_path) as part:
        first_id = await ended_run(part)
        [file] = await archive_now(database_url, tmp_path)
        assert file.events == 3
        retried = await part.jobs.retry(first_id, TESTER)
        [claim] = await part.executions.claim("worker", 1)
        await part.executions.succeed(retried.run_id, claim.holder, None, Report())
        await archive_now(database_url, tmp_path)
        [requested, *_] = await part.reader.histories([first_id])
        event_filter = EventFilter.parse(correlation=str(requested.correlation_id))
        audit = Audit(part.pool, part.files)
        whole = (await audit.page(event_filter, 0, 10)).events
        assert [event.aggregate_id for event in whole] == [first_id] * 3 + [retried.run_id] * 3
        files_in(tmp_path)[1].unlink()
        page = await audit.page(event_filter, 0, 2)
        assert page.events == whole[:2]
        assert page.next == whole[1].position
        with pytest.raises(ArchiveError, match="is missing"):
            await audit.page(event_filter, page.next, 2)


async def test_parts_of_archived_histories_are_limited_together(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehydration, "BYTES_A_PART", 10_000)
    async with parts(database_url, archive=tmp_path) as part:
        launch = Launch(parameters={"text": "x" * 2_000})
        ranges = {await ended_run(part, launch): (0, END) for _ in range(20)}
        histories = await part.reader.histories(list(ranges))
        await archive_now(database_url, tmp_path)
        rows: list[EventRow] = []
        async with part.pool.connection() as connection:
            while ranges:
                read = await read_parts(connection, part.files, ranges)
                assert sum(len(row["state"]) for row in read.rows) < 25_000
                for row in read.rows:
                    ranges[UUID(row["originator_id"])] = (row["originator_version"], END)
                for run_id in read.ended:
                    del ranges[run_id]
                rows += read.rows
    assert sorted(row["notification_id"] for row in rows) == sorted(
        event.position for event in histories
    )


def test_the_api_serves_what_is_archived(damaged: tuple[str, Path, str], tmp_path: Path) -> None:
    url, path, run_id = damaged
    elsewhere = tmp_path / "elsewhere"
    path.parent.rename(elsewhere)
    arguments = (
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
        "--archive",
        str(elsewhere),
    )
    with (
        started(*arguments, APPHUB_DATABASE_URL=url) as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        events = client.get("/events").json()["data"]
        recorded = [event for event in events if event["type"] == "log_archive.archived"]
        assert [event["data"]["file"] for event in recorded] == [path.name]
        history = client.get(f"/job-runs/{run_id}/events").json()["data"]
        assert history == [event for event in events if event["subject"]["id"] == run_id]
        [attempt] = client.get(f"/job-runs/{run_id}/attempts").json()["data"]
        assert attempt["outcome"] == "succeeded"
        statuses = [
            client.get(f"/job-runs/{run_id}", params={"asOf": event["position"]}).json()["data"][
                "run"
            ]["status"]
            for event in history
        ]
        assert statuses == ["pending", "running", "succeeded"]
        of_archives = client.get("/events", params={"subject": "log_archive"}).json()["data"]
        assert of_archives == recorded
        reports = []
        with client.stream("GET", "/events/stream", params={"after": 0}) as stream:
            for line in stream.iter_lines():
                reports += [line] if line.startswith("event: ") else []
                if line == "event: job.run.succeeded":
                    break
        assert reports[-5:] == [
            "event: job.run.pending",
            "event: job.run.updated",
            "event: job.run.running",
            "event: job.run.updated",
            "event: job.run.succeeded",
        ]
        assert client.post(f"/job-runs/{run_id}/cancel").status_code == 409
        assert client.post(f"/job-runs/{run_id}/retry").status_code == 202
