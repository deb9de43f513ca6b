"""Reading the log in bounded portions, and beginning in the middle of it."""

import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.json_values import JsonObject
from eventlog.history.reader import Replay, Step
from tests.support.logs import TESTER, Parts, parts, query, registered

CHUNK = 40

PROGRESS = 100
"""More than is read at a time, of one run; the others stay short."""


async def all_steps(part: Parts, replay: Replay, after: int, limit: int) -> list[Step]:
    steps: list[Step] = []
    while events := await part.reader.after(after, limit):
        steps += await replay.steps(events)
        after = events[-1].position
    return steps


async def test_a_replay_that_begins_anywhere_shows_the_same_rows(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventlog.history.reader.CHUNK", CHUNK)

    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        for _ in range(3):
            await part.jobs.launch(slug, Launch(), TESTER)
        claims = await part.executions.claim(await part.worker("worker"), 3)
        for step in range(PROGRESS):
            await part.executions.progress(
                claims[0].run.id, claims[0].holder, Report(metrics={"step": step})
            )
        for claim in claims:
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        whole = await all_steps(part, Replay(part.reader), 0, CHUNK)
        assert len(whole) == await part.reader.head()
        for after in (0, 1, 5, 9, PROGRESS // 2, PROGRESS, len(whole) - 3, len(whole) - 1):
            for max_rows, limit in ((1, 1), (2, 10), (100, CHUNK)):
                # Event by event only the last ones: it takes a query for each.
                if limit > 1 or after > PROGRESS:
                    assert (
                        await all_steps(part, Replay(part.reader, max_rows), after, limit)
                        == whole[after:]
                    )


async def test_a_portion_of_the_log_is_bounded_by_its_size_but_never_empty(
    database_url: str,
) -> None:
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        head = await part.reader.head()
        for size in (100, 100_000, 100_000, 100_000, 100, 100):
            await part.jobs.launch(slug, Launch(parameters={"x": "x" * size}), TESTER)

        async def portion(after: int, max_bytes: int) -> list[int]:
            return [
                event.position - head
                for event in await part.reader.after(head + after, 10, max_bytes)
            ]

        assert await portion(0, 150_000) == [1, 2, 3]
        assert await portion(1, 1) == [2]
        assert await portion(2, 50_000) == [3]
        assert await portion(3, 150_000) == [4, 5, 6]
        assert await portion(6, 150_000) == []
        assert len(await part.reader.after(head, 2)) == 2


async def test_rows_are_remembered_within_a_bound_of_bytes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventlog.history.reader.MAX_BYTES", 500_000)
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        large: JsonObject = {"x": "x" * 200_000}
        for _ in range(6):
            await part.jobs.launch(slug, Launch(parameters=large), TESTER)
        replay = Replay(part.reader)
        whole = await all_steps(part, replay, 0, CHUNK)
        assert [step.after["slug"] for step in whole[-6:]] == [slug] * 6
        assert replay.kept_bytes <= 500_000
        for row in query(database_url, "SELECT id FROM job_runs"):
            await part.jobs.cancel(row[0], None, TESTER)
        more = await all_steps(part, replay, whole[-1].event.position, CHUNK)
        # Those that fell out are folded again.
        befores = [step.before["parameters"] for step in more if step.before]
        assert befores == [large] * 6
        assert replay.kept_bytes < 200_000
