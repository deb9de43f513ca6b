"""What is archived is still answered: readers say the same before and after.

Only the archive's own events come in addition.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.clock import from_iso
from domain.commands.failures import Failures
from domain.jobs.launching import Launch
from domain.jobs.run import JobRun
from domain.jobs.run_events import FINAL, AttemptFailure, Report
from eventlog.database.connection import Database, borrowed
from eventlog.explain import explain_past
from eventlog.failures import FailureSearch
from eventlog.history.as_of import open_past
from eventlog.history.audit import EventFilter, position_before
from eventlog.history.reader import Replay
from eventlog.history.run_changes import Checkpoints
from eventlog.keys import LogFiles
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.envelope import Envelope
from projections.messages import messages
from projections.runs.filters import RunFilter
from projections.tables import TABLES
from tests.integration.bulk.scene import Scene
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs.archives import archive_now, exported, files_in
from tests.support.sample_logs.histories import SLUGS, make_history
from tests.support.sample_logs.seals import SealedLog
from tests.support.slow import slow
from worker.followers import FailureGrouper

STEPS = int(os.environ.get("APPHUB_ARCHIVE_STEPS", "250"))

OF_ARCHIVES = "log_archive.archived"


GROUPS = ("open", "resolved", "ignored")


async def note_failures(part: Parts) -> None:
    """Let the log tell what has failed, by groups."""
    grouper = FailureGrouper(Failures(part.jobs), FailureSearch(part.pool, part.files))
    while await grouper.step() == 0:
        pass
    assert query(part.url, "SELECT 1 FROM failure_groups LIMIT 1")


async def fail_one(part: Parts) -> None:
    """Let an attempt fail: of a short history perhaps none does. Nothing else must be pending."""
    slug = await registered(part.jobs, "failing")
    await part.jobs.launch(slug, Launch(), TESTER)
    worker_id = await part.worker("unlucky")
    [claim] = await part.executions.claim(worker_id, 1)
    failure = AttemptFailure("out of luck")
    await part.executions.fail(claim.run.id, claim.holder, failure, Report())


def no_archives(events: Sequence[Envelope]) -> list[Envelope]:
    return [event for event in events if event.topic != OF_ARCHIVES]


@dataclass(frozen=True)
class Questions:
    """What is asked, twice."""

    positions: list[int]
    run_ids: list[UUID]
    times: list[datetime]
    correlations: list[str]
    head: int


async def think(part: Parts, random: Random) -> Questions:
    head = await part.reader.head()
    rows = query(part.url, "SELECT id FROM job_runs ORDER BY created_position")
    run_ids = [row[0] for row in rows]
    times = query(part.url, "SELECT recorded_at FROM jobs_events ORDER BY random() LIMIT 12")
    stories = query(
        part.url, "SELECT correlation_id::text FROM jobs_events ORDER BY random() LIMIT 8"
    )
    return Questions(
        positions=[0, 1, head, *(random.randint(0, head) for _ in range(24))],
        run_ids=run_ids,
        times=[from_iso(row[0].isoformat()) for row in times],
        correlations=[row[0] for row in stories],
        head=head,
    )


async def answers(part: Parts, questions: Questions) -> dict[str, Any]:
    """Ask everything that the log answers."""
    return {
        "log": await _log(part),
        "histories": no_archives(await part.reader.histories(questions.run_ids)),
        "parts": await part.reader.histories_between(
            dict.fromkeys(questions.run_ids[:150], (1, 4))
        ),
        "aggregates": {
            key: (run.status, run.version)
            for key, run in (await part.jobs.load(JobRun, questions.run_ids)).items()
        },
        "filtered": {
            name: await _export(part, event_filter)
            for name, event_filter in _filters(questions).items()
        },
        "times": [await _position_at(part, moment) for moment in questions.times],
        "since": [await _export(part, EventFilter(since=moment)) for moment in questions.times[:5]],
        "past": [await _past(part, position, questions) for position in questions.positions],
        "why": await _why(part, questions),
        "stream": await _stream(part, questions.positions[1:5]),
    }


async def _position_at(part: Parts, moment: datetime) -> int:
    async with borrowed(part.pool) as connection:
        return await position_before(connection, part.files.archive, moment, inclusive=True)


async def _log(part: Parts) -> list[Envelope]:
    events: list[Envelope] = []
    while chunk := await part.reader.after(events[-1].position if events else 0, 37, 20_000):
        events += chunk
    return no_archives(events)


def _filters(questions: Questions) -> dict[str, EventFilter]:
    parse = EventFilter.parse
    return {
        "type": parse(types="job_run.started, job_run.attempt_*"),
        "kind": parse(subject="job_run"),
        "definitions": parse(subject="job_definition"),
        "actor": parse(actor="tester", types="job_run.*"),
        "worker": parse(actor="worker:driver-1-1"),
        "until": EventFilter(until=questions.times[0]),
        **{str(run_id): parse(subject=str(run_id)) for run_id in questions.run_ids[:10]},
        **{text: parse(correlation=text) for text in questions.correlations},
    }


async def _export(part: Parts, event_filter: EventFilter) -> list[Envelope]:
    return no_archives(await exported(part, event_filter, 29))


async def _past(part: Parts, position: int, questions: Questions) -> dict[str, Any]:
    random = Random(position)
    statuses = random.sample(("pending", "running", *sorted(FINAL)), 2)
    async with (
        part.pool.connection() as connection,
        open_past(connection, part.files, position) as past,
    ):
        return {
            "counts": await past.counts(None),
            "page": await past.runs(RunFilter(), 40, 0),
            "filtered": await past.runs(RunFilter(statuses=statuses), 20, 3),
            "runs": [await past.run(run_id) for run_id in random.sample(questions.run_ids, 5)],
            "job": await past.job(SLUGS[position % len(SLUGS)]),
            "failures": await past.failures(GROUPS, None, 20),
            "bulk": await past.bulk_operations(None, 20),
        }


async def _stream(part: Parts, positions: Sequence[int]) -> list[Any]:
    entries = []
    for position in positions:
        replay, after = Replay(part.reader, 20), position
        while events := await part.reader.after(after, 50):
            after = events[-1].position
            entries += [
                (
                    step.event,
                    [(one.type, one.data) for one in messages(step.event, step.before, step.after)],
                )
                for step in await replay.steps(events)
                if step.event.topic != OF_ARCHIVES
            ]
    return entries


async def _why(part: Parts, questions: Questions) -> list[Any]:
    """Return why some runs waited at some positions, and how others had ended."""
    explanations: list[Any] = []
    for position in questions.positions[2:8]:
        for run_id in Random(position).sample(questions.run_ids, 4):
            async with part.pool.connection() as connection:
                then = await explain_past(connection, part.files, run_id, position)
            if then is not None:
                explanations.append(then)
    return explanations


@pytest.mark.timeout(300)
@pytest.mark.parametrize("steps", [STEPS, slow(400)])
async def test_every_answer_is_the_same_after_archiving(
    database_url: str, tmp_path: Path, steps: int
) -> None:
    random, directory = Random(7), tmp_path / "archive"
    log = SealedLog(database_url, tmp_path, directory)

    async def before() -> tuple[Questions, dict[str, Any]]:
        async with parts(database_url, archive=directory) as part:
            await make_history(part, random, steps)
            await note_failures(part)
            bulk = Scene(part)
            ordered = await bulk.start("rerun", "status=failed,expired")
            row = await bulk.finish(ordered)
            assert row["status"] == "completed"
            await Checkpoints(part.pool, part.files, every=300).recompute()
            questions = await think(part, random)
            return questions, await answers(part, questions)

    async def after(questions: Questions, rounds: int) -> dict[str, Any]:
        async with parts(database_url, archive=directory) as part:
            assert await part.reader.head() == questions.head + rounds
            after_archiving = await answers(part, questions)
            await Checkpoints(part.pool, part.files, every=300).recompute()
            assert await answers(part, questions) == after_archiving
            return after_archiving

    questions, known = await before()
    await log.seal()
    files = await archive_now(database_url, directory, max_events=steps // 4)
    archived = sum(file.runs for file in files)
    assert archived > steps // 10
    assert len(files) > 2
    ended = """
        SELECT count(*) FROM job_runs
        WHERE status IN ('succeeded', 'failed', 'canceled', 'expired')
    """
    assert query(database_url, ended) == [(archived,)]
    left = query(database_url, "SELECT count(*) FROM jobs_events WHERE topic <> %s", OF_ARCHIVES)
    assert left == [(len(known["log"]) - sum(file.events for file in files),)]
    after_archiving = await after(questions, len(files))
    assert set(after_archiving) == set(known)
    assert any(explanation["reasons"] for explanation, _ in after_archiving["why"])
    for name, answer in known.items():
        assert after_archiving[name] == answer, name
    differences: list[Difference] = []
    database = Database(database_url, LogFiles(directory))
    await verify(database, TABLES, differences.append, lambda *_: None)
    assert differences == []
    assert (await log.verify()).clean
    assert len(files_in(directory)) == len(files)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_second_archive_takes_what_has_ended_since(
    database_url: str, tmp_path: Path
) -> None:
    random, directory = Random(8), tmp_path / "archive"

    async with parts(database_url, archive=directory) as part:
        await make_history(part, random, 300)
        first = await archive_now(database_url, directory)
        pending = "SELECT id FROM job_runs WHERE status = 'pending'"
        for (run_id,) in query(database_url, pending):
            await part.jobs.cancel(run_id, None, TESTER)
        await fail_one(part)
        await note_failures(part)
        bulk = Scene(part)
        ordered = await bulk.start("rerun", "status=canceled,failed")
        questions = await think(part, random)
        known = await answers(part, questions)
        second = await archive_now(database_url, directory, max_events=50)
        assert len(first) == 1
        assert second
        assert second[0].first_position < first[0].last_position, "the files overlap"
        assert await archive_now(database_url, directory) == []
        assert await answers(part, questions) == known
        # What was ordered before is still about the same runs, wherever their events are.
        row = await bulk.finish(ordered)
        assert row["status"] == "completed"
        assert row["done"] == row["total"] != 0
