"""The past as it is answered, against a fold of the whole log up to the same position."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.jobs.run_events import STATUSES
from domain.ports import Row
from eventlog.history.as_of import Past, open_past
from eventlog.history.run_changes import Checkpoints
from projections.envelope import Envelope
from projections.runs.filters import Order, RunFilter
from projections.tables import BY_SUBJECT
from tests.integration.history.matching import MAX_RUNS, any_filter, filtered, lets_pass
from tests.support.logs import Parts, parts, query
from tests.support.sample_logs.histories import SLUGS, WORDS, make_history
from tests.support.slow import slow

POSITIONS = int(os.environ.get("APPHUB_ASOF_POSITIONS", "40"))

TOPICS = {
    f"job_run.{name}"
    for name in (
        "requested",
        "started",
        "progressed",
        "succeeded",
        "attempt_failed",
        "attempt_timed_out",
        "attempt_lost",
        "handed_back",
        "start_deadline_passed",
        "cancel_requested",
        "canceled",
    )
}


class World:
    """All rows, folded from the log's first event on."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[UUID, Row]] = {"job_run": {}, "job_definition": {}}

    def take_in(self, event: Envelope) -> None:
        rows = self.rows.setdefault(event.subject, {})
        rows[event.aggregate_id] = BY_SUBJECT[event.subject].fold(
            rows.get(event.aggregate_id), event
        )

    def counts(self, definition_id: UUID | None) -> dict[str, int]:
        counts = Counter(
            str(run["status"]) for run in self._runs(RunFilter(definition_id=definition_id))
        )
        return {status: counts[status] for status in STATUSES}

    def page(self, run_filter: RunFilter, limit: int, offset: int) -> tuple[list[Row], int | None]:
        runs = _ordered(self._runs(run_filter), run_filter.order)[offset:]
        return runs[:limit], offset + limit if len(runs) > limit else None

    def _runs(self, run_filter: RunFilter) -> list[Row]:
        newest_first = sorted(self.rows["job_run"].values(), key=_created, reverse=True)
        return [run for run in newest_first if self._passes(run, run_filter)]

    def filtered(self, texts: list[str]) -> list[Row]:
        jobs = self.rows["job_definition"]
        return [
            run
            for run in self._runs(RunFilter())
            if all(
                lets_pass(text, run, jobs[UUID(str(run["job_definition_id"]))]) for text in texts
            )
        ][:MAX_RUNS]

    def _passes(self, run: Row, run_filter: RunFilter) -> bool:
        job = self.rows["job_definition"][UUID(str(run["job_definition_id"]))]
        text = (run_filter.search or "").lower()
        return (
            (not run_filter.statuses or run["status"] in run_filter.statuses)
            and (
                run_filter.definition_id is None
                or run["job_definition_id"] == str(run_filter.definition_id)
            )
            and (
                not run_filter.definition_ids
                or UUID(str(run["job_definition_id"])) in run_filter.definition_ids
            )
            and (run_filter.before_position is None or _created(run) < run_filter.before_position)
            and (
                text in str(job["slug"]).lower()
                or text in str(job["name"]).lower()
                or str(run["id"]).startswith(text)
            )
        )


def _ordered(newest_first: list[Row], order: Order) -> list[Row]:
    if order == "created":
        return newest_first
    key = "completed_position" if order == "ended" else "duration_ms"
    ended = [
        run for run in newest_first if run["completed_at"] is not None and run[key] is not None
    ]
    return sorted(ended, key=lambda run: (run[key], run["completed_position"]), reverse=True)


def _created(run: Row) -> int:
    assert isinstance(run["created_position"], int)
    return run["created_position"]


@dataclass
class Question:
    """What is asked about a position, and what the answers were."""

    position: int
    pages: list[tuple[RunFilter, int, int]]
    run_ids: list[UUID]
    slug: str
    definition_id: UUID
    filters: list[list[str]]
    answers: dict[str, Any] = field(default_factory=dict)


class Asker:
    """Thinks of questions, and asks them."""

    def __init__(self, part: Parts, random: Random) -> None:
        self._part = part
        self._random = random

    async def ask(self) -> Question:
        head = await self._part.reader.head()
        async with self._part.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, job_definition_id, created_position, slug, parameters, created_at,"
                " completed_at, duration_ms, error_message, started_by FROM job_runs"
            )
            runs: list[Row] = [*await cursor.fetchall()]
            question = self._question(head, runs)
            async with open_past(connection, self._part.files, question.position) as past:
                assert past.position == question.position
                for run_filter, limit, _ in question.pages:
                    await _check_cursor(past, run_filter, limit)
                question.answers = {
                    "counts": await past.counts(None),
                    "counts of a job": await past.counts([question.definition_id]),
                    "job": await past.job(question.slug.swapcase()),
                    "runs": [await past.run(run_id) for run_id in question.run_ids],
                    "pages": [await past.runs(*page) for page in question.pages],
                    "filtered": [
                        await filtered(connection, past, texts) for texts in question.filters
                    ],
                }
        return question

    def _question(self, head: int, runs: list[Row]) -> Question:
        random = self._random
        one = random.choice(runs)
        definition_id = UUID(str(one["job_definition_id"]))
        other_job = UUID(str(random.choice(runs)["job_definition_id"]))
        two_jobs = tuple({definition_id, other_job})
        pages = []
        for _ in range(2):
            of_one, of_two = random.choice(
                ((None, ()), (None, ()), (definition_id, ()), (None, two_jobs))
            )
            order: Order = random.choice(("created", "created", "ended", "duration"))
            run_filter = RunFilter(
                order=order,
                definition_id=of_one,
                definition_ids=of_two,
                statuses=random.sample(STATUSES, random.choice((0, 1, 1, 2, 3, 6))),
                search=self._search(runs) if random.random() < 0.3 else None,
                before_position=random.choice(runs)["created_position"]
                if order == "created" and random.random() < 0.3
                else None,  # type: ignore[arg-type]
            )
            pages.append((run_filter, random.choice((1, 7, 50)), random.choice((0, 0, 1, 10))))
        return Question(
            position=random.randint(0, head),
            pages=pages,
            run_ids=[*(UUID(str(run["id"])) for run in random.sample(runs, 3)), uuid4()],
            slug=str(one["slug"]),
            definition_id=definition_id,
            filters=[any_filter(random, runs, SLUGS) for _ in range(3)],
        )

    def _search(self, runs: list[Row]) -> str:
        random = self._random
        text = random.choice(
            (
                *WORDS,
                *SLUGS,
                "b",
                "%",
                str(random.choice(runs)["id"])[: random.choice((1, 8, 9, 36))],
            )
        )
        return random.choice((text, text.upper(), text.lower()))


async def _check_cursor(past: Past, run_filter: RunFilter, limit: int) -> None:
    """Check that a page's cursor leads to the page that its offset leads to."""
    runs, following = await past.runs(run_filter, limit, 0)
    if following is not None:
        after = replace(run_filter, before_position=runs[-1]["created_position"])
        by_cursor, _ = await past.runs(after, limit, 0)
        by_offset, _ = await past.runs(run_filter, limit, following)
        assert by_cursor == by_offset


async def _check(part: Parts, questions: Sequence[Question]) -> None:
    """Compare every answer with a fold of the log up to its position."""
    world = World()
    waiting = sorted(questions, key=lambda question: question.position)
    position = 0
    while events := await part.reader.after(position):
        for event in events:
            while waiting and waiting[0].position < event.position:
                _compare(world, waiting.pop(0))
            world.take_in(event)
        position = events[-1].position
    for question in waiting:
        _compare(world, question)


def _compare(world: World, question: Question) -> None:
    answers, jobs = question.answers, world.rows["job_definition"].values()
    assert answers["counts"] == world.counts(None), question.position
    assert answers["counts of a job"] == world.counts(question.definition_id), question.position
    assert answers["job"] == next((job for job in jobs if job["slug"] == question.slug), None), (
        question.position
    )
    assert answers["runs"] == [world.rows["job_run"].get(run_id) for run_id in question.run_ids], (
        question.position
    )
    for texts, answer in zip(question.filters, answers["filtered"], strict=True):
        assert answer == world.filtered(texts), (question.position, texts)
    for page, answer in zip(question.pages, answers["pages"], strict=True):
        assert answer == world.page(*page), (question.position, page)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("steps", "positions"), [(500, 20), slow(900, POSITIONS)])
async def test_answers_about_random_positions_equal_a_fold_of_the_log(
    database_url: str, steps: int, positions: int
) -> None:
    random = Random(5)

    async with parts(database_url) as part:
        asker, checkpoints = (Asker(part, random), Checkpoints(part.pool, part.files, every=40))
        questions: list[Question] = []

        async def meanwhile() -> None:
            # What was so at a position stays so: answers that were given while the log grew
            # count as well.
            while True:
                await asyncio.sleep(0)
                if random.random() < 0.3:
                    await checkpoints.write_if_due()
                elif (
                    len(questions) < positions
                    and query(database_url, "SELECT count(*) FROM job_runs")[0][0] > 10
                ):
                    questions.append(await asker.ask())

        asking = asyncio.create_task(meanwhile())
        await make_history(part, random, steps)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert questions
        # On a busy machine few have been written meanwhile.
        while await checkpoints.write_if_due():
            pass
        assert query(database_url, "SELECT count(DISTINCT position) FROM run_checkpoints")[0][0] > 1
        questions += [await asker.ask() for _ in range(positions)]
        query(database_url, "DELETE FROM run_checkpoints RETURNING 1")
        questions += [await asker.ask() for _ in range(positions // 2)]
        await _check(part, questions)
        # Of all together: at the end perhaps no run is under way.
        seen: Counter[str] = Counter()
        for question in questions:
            seen.update(question.answers["counts"])
        assert {status for status, count in seen.items() if count} == set(STATUSES)
        assert {
            topic for (topic,) in query(database_url, "SELECT DISTINCT topic FROM jobs_events")
        } >= TOPICS
