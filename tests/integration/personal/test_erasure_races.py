"""Erasing somebody while others launch, retry, rebuild and die."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from domain.errors import ConflictError, NotFoundError
from domain.jobs.launching import Launch
from eventlog import personal as personal_data
from eventlog.history.reader import Replay
from eventlog.rebuild import repair
from eventlog.rebuild.repair import Repairer
from tests.support.logs import TESTER, Parts, query
from tests.support.sample_logs.personal import ALICE, GIVEN, GONE, SECRETS, places_of
from tests.support.sample_logs.shops import Shop
from tests.support.slow import slow


async def test_launches_of_a_new_subject_at_once_share_one_key(shop: Shop) -> None:
    async with shop.parts() as one, shop.parts() as two:
        await asyncio.gather(*(shop.ended(part) for part in (one, two) * 10))
        assert query(shop.url, "SELECT count(*) FROM subject_keys") == [(1,)]
        assert (await two.subjects.erase(ALICE, None, TESTER)).row["runs"] == 20
        await shop.verify()
    assert places_of(shop.url, *SECRETS) == set()


async def test_an_erasure_between_encryption_and_append_makes_the_launch_encrypt_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop.parts() as part, shop.parts() as other:
        await shop.ended(part)
        encrypted = personal_data.encrypted_unit
        erased: list[object] = []

        async def and_then_erased(connection: Any, master_keys: Any, unit: Any) -> Any:
            made = await encrypted(connection, master_keys, unit)
            if not erased:
                erased.append(await other.subjects.erase(ALICE, None, TESTER))
            return made

        monkeypatch.setattr("eventlog.append.log.encrypted_unit", and_then_erased)
        await part.jobs.launch("job", Launch(parameters=GIVEN), TESTER)
        assert shop.parameters() == [GONE, GIVEN]
        await shop.verify()


@pytest.mark.parametrize("late", [False, True])
async def test_an_erasure_just_before_a_retry_is_appended_wins(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    async with shop.parts() as part, shop.parts() as other:
        run_id = await shop.ended(part)
        encrypted = personal_data.encrypted_unit
        erased: list[object] = []

        async def erase_once() -> None:
            if not erased:
                erased.append(await other.subjects.erase(ALICE, None, TESTER))

        async def meddling(connection: Any, master_keys: Any, unit: Any) -> Any:
            if not late:
                await erase_once()
            made = await encrypted(connection, master_keys, unit)
            await erase_once()
            return made

        monkeypatch.setattr("eventlog.append.log.encrypted_unit", meddling)
        with pytest.raises(ConflictError) as refused:
            await part.jobs.retry(run_id, TESTER)
        assert refused.value.code == "run_erased"
    assert places_of(shop.url, *SECRETS) == set()


@pytest.mark.parametrize("launches", [10, slow(40)])
async def test_launches_and_erasures_at_random_leave_nothing_of_the_erased(
    shop: Shop, launches: int
) -> None:
    names = [f"customer-{number}-7f3a9c" for number in range(4)]

    async def launching(part: Parts, name: str) -> None:
        for _ in range(launches):
            await shop.ended(part, customerId=name)

    async def erasing(part: Parts, done: list[int]) -> None:
        while not done:
            for name in names:
                try:
                    await part.subjects.erase(name, None, TESTER)
                except (ConflictError, NotFoundError):
                    await asyncio.sleep(0)

    async with shop.parts() as one, shop.parts() as two, shop.parts() as three:
        done: list[int] = []
        eraser = asyncio.create_task(erasing(three, done))
        await asyncio.gather(*(launching(part, name) for part in (one, two) for name in names))
        done.append(1)
        await eraser
        await shop.verify()
        for name in names:
            if query(shop.url, "SELECT 1 FROM job_runs WHERE parameters->>'customerId' = %s", name):
                await three.subjects.erase(name, None, TESTER)
        await shop.verify()
    assert shop.parameters() == [GONE] * 2 * len(names) * launches
    assert places_of(shop.url, *names) == set()
    [(erased,)] = query(shop.url, "SELECT count(*) FROM erased_subjects")
    assert erased >= 4


async def test_a_rebuild_that_folded_before_an_erasure_does_not_undo_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Sequence[UUID]] = []

    async with shop.parts() as part:
        runs = [await shop.ended(part), await shop.ended(part, customerId="bo")]
        query(shop.url, "UPDATE job_runs SET slug = 'sabotaged' RETURNING 1")
        write = Repairer._write

        async def writing(self: Any, keys: Any, *, delete_first: bool) -> Any:
            tries.append(list(keys))
            if len(tries) == 1:
                await part.subjects.erase(ALICE, None, TESTER)
            if len(tries) == 2:
                await part.subjects.erase("bo", None, TESTER)
            written = await write(self, keys, delete_first=delete_first)
            assert places_of(shop.url, *SECRETS) <= {"job_runs.parameters"}
            return written

        monkeypatch.setattr(Repairer, "_write", writing)
        monkeypatch.setattr(repair, "INITIAL_BATCH", 1)
        assert (await shop.rebuild()).repaired == 2
        assert set(map(tuple, tries)) == {(run_id,) for run_id in runs}
        assert len(tries) >= 3
        await shop.verify()
    assert places_of(shop.url, *SECRETS, "bo") - {"job_definitions.slug"} <= {
        "job_runs.id",
        "jobs_events.state",
    }
    assert shop.parameters() == [GONE, GONE]


async def test_an_erasure_is_whole_or_not_at_all(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(Exception):
        pass

    async with shop.parts() as part:
        await shop.ended(part)
        erase = personal_data.erase

        async def and_die(connection: Any, key_id: UUID) -> int:
            assert await erase(connection, key_id) == 1
            raise PowerCutError

        monkeypatch.setattr(personal_data, "erase", and_die)
        with pytest.raises(PowerCutError):
            await part.subjects.erase(ALICE, None, TESTER)
        assert shop.parameters() == [GIVEN]
        assert query(shop.url, "SELECT count(*) FROM subject_keys") == [(1,)]
        await shop.verify()
        monkeypatch.setattr(personal_data, "erase", erase)
        # The server ends the session of the writer, after everything but the commit.
        killed: list[int] = []

        async def and_be_cut(connection: Any, key_id: UUID) -> int:
            done = await erase(connection, key_id)
            if not killed:
                killed.append(connection.info.backend_pid)
                query(shop.url, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            return done

        monkeypatch.setattr(personal_data, "erase", and_be_cut)
        await part.subjects.erase(ALICE, None, TESTER)
        assert killed
        assert query(shop.url, "SELECT count(*) FROM erased_subjects") == [(1,)]
        await shop.verify()
    assert shop.parameters() == [GONE]


async def test_rows_kept_in_memory_for_a_slow_client_forget_too(shop: Shop, part: Parts) -> None:
    run_id = await shop.ended(part)
    first, second = [event for event in await part.reader.after(1) if event.aggregate_id == run_id]
    replay = Replay(part.reader)
    [step] = await replay.steps([first])
    assert step.after["parameters"] == GIVEN
    await part.subjects.erase(ALICE, None, TESTER)
    [step] = await replay.steps([second])
    assert step.before is not None
    assert (step.before["parameters"], step.after["parameters"]) == (GONE, GONE)
