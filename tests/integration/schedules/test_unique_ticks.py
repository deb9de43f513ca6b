"""Ticks of schedules whose job lets one run be where more would do the same."""

from collections.abc import Iterable
from datetime import timedelta
from random import SystemRandom
from uuid import UUID

import pytest

from domain.commands.jobs import Launched
from domain.errors import ConflictError
from domain.identifiers import UniqueSlot
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from tests.integration.schedules.scene import Scene
from tests.support.logs import TESTER, query
from tests.support.sample_logs import promises
from worker.followers import POLL_INTERVAL_S
from worker.ticker import Ticker


async def register_unique(scene: Scene, how: str, slug: str | None = None) -> None:
    """Register a job, of this name if none is given, whose runs are unique until their start."""
    slug = slug or how
    unique: JsonObject = {"key": ["k"], "until": "start", "onConflict": how}
    spec = JobSpec(
        name=slug,
        type="batch",
        entry_point="test.noop",
        parameters_schema={"properties": {"k": {}}},
        unique_runs=unique,
    )
    await scene.part.jobs.register_job(slug, spec, 1, TESTER)


async def test_ticks_whose_runs_are_unique_replace_each_other_or_are_skipped(scene: Scene) -> None:
    begun = scene.now
    for how in ("keep", "replace"):
        await register_unique(scene, how)
    await scene.create("kept", job="keep", overlap="allow_all")
    await scene.tick(1)
    await scene.tick(1)
    assert scene.outcomes() == ["launched", "skipped run_is_there"]
    await scene.end_run()
    await scene.tick(1)
    assert scene.outcomes()[2:] == ["launched"]
    with pytest.raises(ConflictError, match="runs of its job are unique"):
        await scene.schedules.backfill("kept", begun, scene.now, TESTER)
    await scene.schedules.delete("kept", None, TESTER)
    await scene.create("replaced", job="replace", overlap="allow_all", catch_up_ms=9**9)
    # Three ticks are due at once, and each is decided for itself.
    scene.now += timedelta(minutes=3.5)
    while await scene.tick():
        pass
    assert scene.outcomes()[3:] == ["launched"] * 3
    statuses = query(
        scene.part.url,
        "SELECT status FROM job_runs WHERE slug = 'replace' ORDER BY created_position",
    )
    assert statuses == [("canceled",), ("canceled",), ("pending",)]
    await promises.keep(Database(scene.part.url))


async def test_triggered_twice_at_once_under_one_key_it_is_one_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register_unique(scene, "keep")
    await scene.create(job="keep")
    log = scene.part.jobs.log_port
    others: list[Launched] = []

    async def after_the_other(slots: Iterable[UniqueSlot]) -> dict[UniqueSlot, tuple[UUID, bool]]:
        monkeypatch.undo()
        others.append(await scene.schedules.trigger("often", TESTER, "key"))
        return await log.holders_of(slots)

    monkeypatch.setattr(log, "holders_of", after_the_other)
    launched = await scene.schedules.trigger("often", TESTER, "key")
    assert launched == Launched(others[0].run_id, None)


async def test_a_run_that_cannot_be_read_is_kept_and_nothing_against_its_schedule(
    scene: Scene,
) -> None:
    await register_unique(scene, "replace")
    await scene.create(job="replace", overlap="allow_all")
    jobs = scene.part.jobs
    newer = (await jobs.launch("replace", Launch(), TESTER)).run_id
    jobs.quarantine.add(newer, "a newer version of the program knows its events")
    await scene.tick(1)
    assert scene.outcomes() == ["skipped run_is_there"]
    assert jobs.quarantine.ids == [newer]
    await scene.schedules.delete("often", None, TESTER)


async def test_who_has_the_places_of_many_is_asked_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("one", "two", "three")
    for name in names:
        await register_unique(scene, "replace", name)
        await scene.create(name, job=name, overlap="allow_all")
    sizes: list[int] = []
    log = scene.part.jobs.log_port
    holders_of = log.holders_of

    async def counted(slots: Iterable[UniqueSlot]) -> dict[UniqueSlot, tuple[UUID, bool]]:
        requested = list(slots)
        sizes.append(len(requested))
        return await holders_of(requested)

    monkeypatch.setattr(log, "holders_of", counted)
    assert [await scene.tick(1) for _ in range(2)] == [3, 3]
    assert sizes == [3, 3]
    statuses = query(scene.part.url, "SELECT status FROM job_runs ORDER BY 1")
    assert statuses == [("canceled",)] * 3 + [("pending",)] * 3
    await promises.keep(Database(scene.part.url))


async def test_a_row_that_is_behind_its_run_keeps_no_ticker_busy(scene: Scene) -> None:
    await register_unique(scene, "replace")
    await scene.create(job="replace", overlap="allow_all")
    jobs = scene.part.jobs
    older = (await jobs.launch("replace", Launch(), TESTER)).run_id
    await jobs.cancel(older, None, TESTER)
    set_row = (
        "UPDATE job_runs SET status = %s, aggregate_version = %s WHERE id = %s"
        " RETURNING aggregate_version"
    )
    query(scene.part.url, set_row, "pending", 2, older)
    scene.now += timedelta(minutes=1)
    ticker = Ticker(scene.schedules, scene.ticks, lambda: scene.now, SystemRandom())
    assert await ticker.step() == POLL_INTERVAL_S
    assert scene.outcomes() == []
    query(scene.part.url, set_row, "canceled", 3, older)
    assert await ticker.step() == 0.0
    assert scene.outcomes() == ["launched"]
