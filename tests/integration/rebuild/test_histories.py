"""`verify --histories`: the service's own logs keep every promise, and a spoilt log does not."""

import asyncio
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import orjson
import pytest

from domain.identifiers import event_id
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from eventlog.database.connection import Database
from eventlog.keys import LogFiles
from eventlog.rebuild import histories
from eventlog.rebuild.histories import HistoryCheck, check_histories
from tests.recorded_logs import files, record
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.sample_logs import promises
from tests.support.sample_logs.archives import archive_now, run_command
from tests.support.sample_logs.histories import make_history
from tests.support.sample_logs.seals import edit
from tests.support.sample_logs.tampering import delete, update
from tests.support.slow import slow


async def is_clean(url: str, archive: Path | None = None) -> HistoryCheck:
    return await promises.keep(Database(url, LogFiles(archive)))


async def broken(url: str) -> list[tuple[int | None, str]]:
    findings, _ = await promises.find_broken(Database(url))
    return [(finding.position, finding.rule) for finding in findings]


@pytest.mark.parametrize("version", ["0.1.0", "0.1.0.dev1", "0.3.0.dev4"])
async def test_recorded_logs_are_clean(database_url: str, version: str) -> None:
    await record.fold(database_url, files.HERE / version)
    checked = await is_clean(database_url)
    recorded = list(files.read_lines(files.HERE / version / "events.jsonl"))
    assert checked.events == len(recorded) > 70
    assert checked.position == recorded[-1]["notification_id"]


@pytest.mark.parametrize(("seed", "steps"), [(1, 250), *(slow(seed, 600) for seed in range(3))])
async def test_random_histories_are_clean_while_they_are_made_and_afterwards(
    part: Parts, seed: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = histories.NEXT_RANGE.replace(f"LIMIT {histories.EVENTS_A_RANGE}", "LIMIT 7")
    monkeypatch.setattr("eventlog.rebuild.histories.NEXT_RANGE", narrow)
    making = asyncio.create_task(make_history(part, Random(seed), steps))
    while not making.done():
        await is_clean(part.url)
    await making
    checked = await is_clean(part.url)
    [(events, runs, head)] = query(
        part.url,
        "SELECT count(*), count(*) FILTER (WHERE topic = 'job_run.requested'), max(notification_id)"
        " FROM jobs_events",
    )
    assert (checked.events, checked.runs, checked.position) == (events, runs, head)


async def test_a_range_ends_before_it_is_too_large_for_memory(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = histories.NEXT_RANGE.replace(f"< {histories.BYTES_A_RANGE}", "< 100")
    monkeypatch.setattr("eventlog.rebuild.histories.NEXT_RANGE", small)
    sizes: list[int] = []
    await registered(part.jobs)
    for _ in range(5):
        await part.jobs.launch("job", Launch(), TESTER)
    checked = await check_histories(
        Database(part.url), (), lambda _: None, lambda _, done, total: sizes.append(done)
    )
    assert checked.events == 6
    assert len(sizes) == 6


async def test_a_run_that_was_retried_long_afterwards_has_its_cause(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.histories.rules.RECENT", 3)
    monkeypatch.setattr("eventlog.rebuild.histories.MAX_OPEN", 1)
    await registered(part.jobs)
    worker = await part.worker("worker")
    ended = []
    for _ in range(3):
        await part.jobs.launch("job", Launch(), TESTER)
        [claim] = await part.executions.claim(worker, 1)
        await part.executions.fail(claim.run.id, claim.holder, AttemptFailure("no"), Report())
        ended.append(claim.run.id)
    for run_id in ended:
        await part.jobs.retry(run_id, TESTER)
    await is_clean(part.url)
    [(retry,)] = query(
        part.url, "SELECT originator_id FROM jobs_events ORDER BY notification_id DESC LIMIT 1"
    )
    edit(
        part.url,
        f"UPDATE jobs_events SET causation_id = '{event_id(ended[0], 4)}'"
        f" WHERE originator_id = '{retry}'",
    )
    findings, _ = await promises.find_broken(Database(part.url))
    assert [(one.rule, one.aggregate_id) for one in findings] == [("cause_exists", retry)]


async def test_archived_events_are_read_among_the_others(part: Parts, tmp_path: Path) -> None:
    await make_history(part, Random(9), 300)
    before = await is_clean(part.url)
    [archived] = await archive_now(part.url, tmp_path)
    assert archived.events > 0
    await part.jobs.launch("alpha", Launch(), TESTER)
    after = await is_clean(part.url, tmp_path)
    assert after.events > before.events + 1
    assert after.runs == before.runs + 1


@pytest.fixture
async def small_url(part: Parts) -> str:
    """Return a log: job 1, run A 2-5 (requested, started, progressed, succeeded), run B 6-7."""
    await registered(part.jobs, max_concurrent_runs=1)
    worker = await part.worker("worker")
    await part.jobs.launch("job", Launch(), TESTER)
    [claim] = await part.executions.claim(worker, 1)
    await part.executions.progress(claim.run.id, claim.holder, Report())
    await part.executions.succeed(claim.run.id, claim.holder, None, Report())
    await part.jobs.launch("job", Launch(), TESTER)
    await part.executions.claim(worker, 1)
    assert await broken(part.url) == []
    return part.url


def _state(change: str) -> str:
    return f"state = convert_to(replace(convert_from(state, 'UTF8'), {change}), 'UTF8')"


SPOILT: list[tuple[str, list[tuple[int | None, str]]]] = [
    (update(4, _state("""'"execution":1', '"execution":2'""")), [(4, "fence")]),
    (update(5, _state("""'"worker_id":"worker"', '"worker_id":"other"'""")), [(5, "fence")]),
    (
        update(2, _state("""'"max_attempts":1', '"max_attempts":0'""")),
        [(2, "some_attempts"), (3, "attempts_within_limit")],
    ),
    (update(5, "topic = 'job_run.progressed'"), [(7, "room_in_job")]),
    (update(4, "topic = 'job_run.handed_back'"), [(5, "legal_transition")]),
    (update(4, "topic = 'job_run.paused'"), [(4, "known_topic")]),
    (update(4, "state = '[]'"), [(4, "readable")]),
    (update(4, "state = convert_to('nonsense', 'UTF8')"), [(4, "readable")]),
    (delete("notification_id = 4"), [(5, "versions_without_gaps")]),
    (
        delete("notification_id = 2"),
        [(3, "legal_transition"), (4, "legal_transition"), (5, "legal_transition")],
    ),
    (update(6, f"causation_id = '{UUID(int=0)}'"), []),
    (update(1, "recorded_at = recorded_at + interval '1 h'"), [(2, "recorded_in_order")]),
    (update(1, "notification_id = -1"), [(-1, "positions_rise")]),
]


@pytest.mark.parametrize(("change", "expected"), SPOILT, ids=[one[0][:60] for one in SPOILT])
async def test_an_edit_is_found_at_its_position(
    small_url: str, change: str, expected: list[tuple[int | None, str]]
) -> None:
    edit(small_url, change)
    findings = await broken(small_url)
    assert findings[: len(expected)] == expected
    assert {rule for _, rule in findings} == {rule for _, rule in expected}


def test_the_command_tells_people_and_programs(small_url: str, tmp_path: Path) -> None:
    [(run_a,), (run_b,)] = query(
        small_url,
        "SELECT originator_id FROM jobs_events WHERE topic = 'job_run.requested'"
        " ORDER BY notification_id",
    )
    promised = tmp_path / "promised"
    promised.write_text(f"{run_a}\n\n{event_id(run_a, 4)}\n{run_b}\n")
    command = ("verify", "--histories", "--acked", str(promised))
    clean = run_command(small_url, tmp_path, *command)
    assert (clean.popen.returncode, clean.lines) == (
        0,
        ["histories: 7 events of 2 runs up to position 7: as promised"],
    )
    lost = uuid4()
    no_start = "no start while 1 runs of at most 1 are running"
    a_run = "a run or an event with this id"
    promised.write_text(f"{lost}\n{run_b}\n")
    edit(small_url, update(5, "topic = 'job_run.progressed'"))
    done = run_command(small_url, tmp_path, *command)
    assert done.popen.returncode == 1
    assert done.lines == [
        f"position 7: job_run.started of {run_b}: room_in_job: expected {no_start}",
        f"not in the log: {lost}: acknowledged_is_there: expected {a_run} up to position 7",
        "histories: 7 events of 2 runs up to position 7: 2 FINDINGS",
    ]
    machine = run_command(small_url, tmp_path, *command, "--json")
    assert machine.popen.returncode == 1
    first, second, total = map(orjson.loads, machine.lines)
    assert first == {
        "kind": "history",
        "position": 7,
        "type": "job_run.started",
        "id": str(run_b),
        "rule": "room_in_job",
        "expected": no_start,
    }
    assert (second["position"], second["id"]) == (None, str(lost))
    assert total == {"kind": "histories", "position": 7, "events": 7, "runs": 2, "findings": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--histories", "job_runs"), "name none"),
        (("--acked", "{file}"), "--histories"),
        (("--histories", "--acked", "{file}"), "is no id"),
        (("--histories", "--acked", "{file}.missing"), "does not exist"),
    ],
)
def test_wrong_usage_is_refused(
    database_url: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    file = tmp_path / "acked"
    file.write_bytes(b"\xff no id\n")
    command = [argument.format(file=file) for argument in arguments]
    refused = run_command(database_url, tmp_path, "verify", *command)
    assert refused.popen.returncode == 2
    assert message in " ".join(refused.errors)
