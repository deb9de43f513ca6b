"""Many ticks of one moment: decided before it, appended then, and only what still holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

import pytest

from domain.clock import to_iso
from domain.identifiers import definition_id, schedule_id
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from tests.integration.schedules.scene import Scene
from tests.support.logs import TESTER, query, registered
from tests.support.sample_logs import promises
from worker.ticker import Ticker

TOLD = """
    SELECT topic, told->>'reason', told->>'timestamp', run.parameters
    FROM jobs_events AS event
    CROSS JOIN LATERAL (SELECT convert_from(state, 'UTF8')::jsonb) AS decoded (told)
    LEFT JOIN job_runs AS run ON run.id = (told->>'run_id')::uuid
    WHERE event.originator_id = %s AND topic LIKE 'schedule.tick%%'
    ORDER BY notification_id DESC LIMIT 1
"""


@pytest.fixture
async def crowd(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """Make few schedules count as many; look at the whole log in the end."""
    monkeypatch.setattr("worker.ticker.MANY_TICKS", 3)
    yield scene
    await promises.keep(Database(scene.part.url))


def ticker_of(scene: Scene) -> Ticker:
    return Ticker(scene.schedules, scene.ticks, lambda: scene.now, SystemRandom())


async def look(ticker: Ticker) -> None:
    """Look until there is nothing to do at the moment."""
    while await ticker.step() == 0.0:
        pass


def last_tick(scene: Scene, name: str) -> tuple[str, str | None, str]:
    """Return what became of a schedule's last tick, why, and when that was decided."""
    [(topic, reason, at, _)] = query(scene.part.url, TOLD, schedule_id(name))
    return topic.removeprefix("schedule.tick_"), reason, at


async def prepared(scene: Scene, ticker: Ticker, due_at: datetime) -> None:
    """Let a ticker decide what will be due."""
    before = scene.outcomes()
    scene.now = due_at - timedelta(seconds=3)
    await look(ticker)
    assert scene.outcomes() == before


async def test_what_was_decided_before_is_appended_only_if_it_still_holds(crowd: Scene) -> None:
    names = ("untouched", "paused", "deleted", "revised", "triggered", "ended")
    for name in names:
        overlap = "skip" if name == "ended" else "allow_all"
        await crowd.create(name, overlap=overlap, parameters={"n": 1})
    ticker = ticker_of(crowd)
    crowd.now += timedelta(minutes=1)
    await look(ticker)
    assert crowd.outcomes() == ["launched"] * 6
    due_at = crowd.now + timedelta(minutes=1)
    await prepared(crowd, ticker, due_at)
    await crowd.schedules.pause("paused", None, TESTER)
    await crowd.schedules.delete("deleted", None, TESTER)
    await crowd.schedules.revise("revised", {"parameters": {"n": 2}}, TESTER)
    await crowd.schedules.trigger("triggered", TESTER)
    [(run_id,)] = query(
        crowd.part.url, "SELECT id FROM job_runs WHERE requested_by = 'schedule:ended'"
    )
    await crowd.part.jobs.cancel(run_id, None, TESTER)
    crowd.now = due_at + timedelta(seconds=0.25)
    await look(ticker)
    now = to_iso(crowd.now)
    last_ticks = {name: last_tick(crowd, name) for name in names}
    assert last_ticks == {
        "untouched": ("launched", None, to_iso(due_at)),
        "paused": ("skipped", "paused", now),
        "deleted": ("launched", None, to_iso(due_at - timedelta(minutes=1))),
        "revised": ("launched", None, now),
        "triggered": ("launched", None, now),
        "ended": ("launched", None, now),
    }
    [(_, _, _, parameters)] = query(crowd.part.url, TOLD, schedule_id("revised"))
    assert parameters == {"n": 2}


async def test_a_job_that_is_paused_before_they_are_due_keeps_them_from_launching(
    crowd: Scene,
) -> None:
    for number in range(3):
        await crowd.create(f"often-{number}")
    ticker = ticker_of(crowd)
    await prepared(crowd, ticker, crowd.now + timedelta(minutes=1))
    await crowd.part.jobs.pause_job("job", None, TESTER)
    crowd.now += timedelta(seconds=3)
    await look(ticker)
    assert crowd.outcomes() == ["skipped job_paused"] * 3


async def test_of_many_who_have_decided_the_same_before_each_tick_is_one_s(crowd: Scene) -> None:
    for number in range(100):
        await crowd.create(f"often-{number}", overlap="allow_all")
    due_at = crowd.now + timedelta(minutes=1)
    tickers = [ticker_of(crowd) for _ in range(2)]
    for ticker in tickers:
        await prepared(crowd, ticker, due_at)
    crowd.now = due_at + timedelta(seconds=0.1)
    await asyncio.gather(*map(look, tickers))
    assert crowd.outcomes() == ["launched"] * 100
    decided = {last_tick(crowd, f"often-{number}") for number in range(100)}
    assert decided == {("launched", None, to_iso(due_at))}


@pytest.mark.parametrize(
    ("passed_s", "is_anew"),
    [
        # Three seconds after it was prepared it is due.
        ([7], False),
        ([9], True),
        ([-13, 16.5], True),
    ],
)
async def test_who_comes_too_late_or_whose_clock_was_set_back_decides_anew(
    crowd: Scene,
    passed_s: Sequence[float],
    is_anew: bool,  # noqa: FBT001
) -> None:
    names = [f"often-{number}" for number in range(3)]
    for name in names:
        await crowd.create(name)
    ticker = ticker_of(crowd)
    due_at = crowd.now + timedelta(minutes=1)
    await prepared(crowd, ticker, due_at)
    for seconds in passed_s:
        crowd.now += timedelta(seconds=seconds)
        await look(ticker)
    decided_at = to_iso(crowd.now if is_anew else due_at)
    assert [last_tick(crowd, name) for name in names] == [("launched", None, decided_at)] * 3


@pytest.mark.parametrize("meanwhile", ["prepare", "still_due", None])
async def test_nothing_prepared_outlives_a_doubt_about_the_log(
    crowd: Scene, monkeypatch: pytest.MonkeyPatch, meanwhile: str | None
) -> None:
    names = [f"often-{number}" for number in range(3)]
    for name in names:
        await crowd.create(name)
    ticker = ticker_of(crowd)

    def forgetting(one: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def act(*arguments: object) -> object:
            ticker.forget()
            return await one(*arguments)

        return act

    due_at = crowd.now + timedelta(minutes=1)
    if meanwhile == "prepare":
        forgotten = forgetting(crowd.schedules.prepare)
        monkeypatch.setattr(crowd.schedules, "prepare", forgotten)
    await prepared(crowd, ticker, due_at)
    if meanwhile == "still_due":
        forgotten = forgetting(crowd.ticks.still_due)
        monkeypatch.setattr(crowd.ticks, "still_due", forgotten)
    if meanwhile is None:
        ticker.forget()
    crowd.now = due_at + timedelta(seconds=0.1)
    await look(ticker)
    decided_now = ("launched", None, to_iso(crowd.now))
    assert [last_tick(crowd, name) for name in names] == [decided_now] * 3


@pytest.fixture
async def portions(crowd: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Create twelve schedules, each of which is a portion by itself."""
    monkeypatch.setattr("worker.ticker.TICKS_AT_A_TIME", 1)
    for number in range(12):
        await crowd.create(f"often-{number}")
    return crowd


async def prepared_ones(scene: Scene) -> int:
    """Let one ticker do it all; return how many ticks it has decided before they were due."""
    ticker = ticker_of(scene)
    due_at = scene.now + timedelta(minutes=1)
    await prepared(scene, ticker, due_at)
    scene.now = due_at + timedelta(seconds=0.1)
    await look(ticker)
    decided = [last_tick(scene, f"often-{number}") for number in range(12)]
    assert {outcome for outcome, _, _ in decided} == {"launched"}
    return [at for _, _, at in decided].count(to_iso(due_at))


async def test_of_many_processes_each_prepares_a_share(portions: Scene) -> None:
    for number in range(5):
        await portions.part.worker(f"w-{number}")
    assert await prepared_ones(portions) == 6


async def test_what_is_prepared_takes_little_room(
    portions: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.ticker.MAX_AHEAD_BYTES", 1)
    assert await prepared_ones(portions) == 1


async def test_what_will_be_due_is_counted_once_a_second(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[datetime] = []
    first_peak = scene.ticks.first_peak

    async def counted(now: datetime, until: datetime, least: int) -> datetime | None:
        moments.append(now)
        return await first_peak(now, until, least)

    monkeypatch.setattr(scene.ticks, "first_peak", counted)
    ticker = ticker_of(scene)
    for passed_s in (0.0, 0.5, 0.5, -3600.0):
        scene.now += timedelta(seconds=passed_s)
        await look(ticker)
    assert len(moments) == 3


async def test_what_cannot_wait_is_left_undecided(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    unique_runs: JsonObject = {"key": [], "until": "start", "onConflict": "keep"}
    await registered(scene.part.jobs, "alike", unique_runs=unique_runs)
    await scene.create("unique", job="alike")
    await scene.create("busy", overlap="allow_all")
    due_at = scene.now + timedelta(minutes=1)
    prepared: list[list[UUID]] = []
    unique, busy = schedule_id("unique"), schedule_id("busy")
    monkeypatch.setattr(scene.part.jobs.log_port, "holders_of", None)
    for _ in range(5):
        prepared.append(list(await scene.schedules.prepare([unique, busy], due_at)))
        await scene.schedules.trigger("busy", TESTER)
    # Up to three open runs are looked at once more.
    assert prepared == [[busy]] * 4 + [[]]


async def test_a_job_that_cannot_be_read_is_in_no_other_s_way(scene: Scene) -> None:
    await registered(scene.part.jobs, "broken")
    await scene.create("broken", job="broken")
    await scene.create("often")
    broken = (
        "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
        " VALUES (%s, 2, 'job.of_a_version_to_come', '{}') RETURNING 1"
    )
    query(scene.part.url, broken, definition_id("broken"))
    due_at = scene.now + timedelta(minutes=1)
    ids = [schedule_id("broken"), schedule_id("often")]
    prepared = await scene.schedules.prepare(ids, due_at)
    assert list(prepared) == [schedule_id("often")]
