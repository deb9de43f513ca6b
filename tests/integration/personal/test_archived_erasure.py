"""Erasing somebody whose runs are archived: files keep the ciphertext, answers say it is gone."""

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.errors import ConflictError
from domain.jobs.launching import Launch
from eventlog.history.as_of import open_past
from eventlog.history.audit import Audit, EventFilter
from eventlog.history.reader import Replay
from eventlog.rebuild import repair
from eventlog.rebuild.repair import Repairer
from migrations import runner
from projections.envelope import Envelope
from projections.runs import lists
from tests.support.logs import TESTER, Parts, query
from tests.support.sample_logs.archives import archive_now, exported, files_in
from tests.support.sample_logs.personal import ALICE, GIVEN, GONE, SECRETS, places_of
from tests.support.sample_logs.shops import Shop

REQUESTED = "job_run.requested"


def requested(events: Sequence[Envelope], run_id: UUID) -> Any:
    [data] = [
        event.data for event in events if (event.topic, event.aggregate_id) == (REQUESTED, run_id)
    ]
    return data["parameters"]


async def everything_read(part: Parts, run_id: UUID) -> dict[str, Any]:
    """Return what each way of reading says of a run's parameters."""
    audit, head = Audit(part.pool, part.files), await part.reader.head()
    log = await part.reader.after(0)
    read = {
        "command": (await part.jobs.run(run_id)).parameters,
        "stream": requested(log, run_id),
        "histories": requested(await part.reader.histories([run_id]), run_id),
        "parts": requested(await part.reader.histories_between({run_id: (0, 9)}), run_id),
        "page": requested(
            (await audit.page(EventFilter(aggregate_id=run_id), 0, 10)).events, run_id
        ),
        "export": requested(await exported(part), run_id),
    }
    steps = await Replay(part.reader).steps(
        [event for event in log if event.aggregate_id == run_id]
    )
    read |= {f"step {step.event.version}": step.after["parameters"] for step in steps}
    async with part.pool.connection() as connection:
        row = await lists.by_id(connection, run_id)
        read["row"] = row and row["parameters"]
        created = next(event.position for event in log if event.aggregate_id == run_id)
        for position in range(created, head + 1):
            async with open_past(connection, part.files, position) as past:
                then = await past.run(run_id)
                read[f"as of {position}"] = then and then["parameters"]
    return read


async def check(part: Parts, run_id: UUID, expected: Any) -> None:
    read = await everything_read(part, run_id)
    assert read == dict.fromkeys(read, expected)
    assert len(read) > 10


def stored(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files_in(directory)}


async def lose_rows_and_rebuild(shop: Shop) -> None:
    lost = query(shop.url, "DELETE FROM job_runs RETURNING 1")
    assert (await shop.rebuild()).repaired == len(lost)


async def test_what_is_archived_is_erased_without_a_change_of_the_files(
    shop: Shop, part: Parts
) -> None:
    launch = Launch(parameters=GIVEN, idempotency_key="once", body={"parameters": GIVEN})
    run_id = (await part.jobs.launch("job", launch, TESTER)).run_id
    await part.jobs.cancel(run_id, None, TESTER)
    other = await shop.ended(part, customerId="bo")
    [file] = await archive_now(shop.url, shop.archive)
    assert (file.runs, file.events) == (2, 4)
    before = stored(shop.archive)
    assert not any(
        word.encode() in gzip.decompress(text) for text in before.values() for word in SECRETS
    )
    assert query(shop.url, "SELECT 1 FROM jobs_events WHERE topic = %s", REQUESTED) == []
    await check(part, run_id, GIVEN)
    await shop.verify()
    await lose_rows_and_rebuild(shop)
    await check(part, run_id, GIVEN)
    assert (await part.jobs.launch("job", launch, TESTER)).run_id == run_id

    assert (await part.subjects.erase(ALICE, "asked", TESTER)).row["runs"] == 1
    assert stored(shop.archive) == before
    assert places_of(shop.url, ALICE) == set()
    await check(part, run_id, GONE)
    await check(part, other, {**GIVEN, "customerId": "bo"})
    await shop.verify()
    assert (await shop.rebuild()).repaired == 0
    await lose_rows_and_rebuild(shop)
    await shop.verify()
    await check(part, run_id, GONE)
    assert stored(shop.archive) == before
    with pytest.raises(ConflictError) as refused:
        await part.jobs.retry(run_id, TESTER)
    assert refused.value.code == "run_erased"
    with pytest.raises(ConflictError) as refused:
        await part.jobs.launch("job", launch, TESTER)
    assert refused.value.code == "idempotency_key_reused"
    assert shop.parameters() == [GONE, {**GIVEN, "customerId": "bo"}]


async def test_archives_from_before_and_after_an_erasure_say_the_same(
    shop: Shop, part: Parts
) -> None:
    runs = [await shop.ended(part)]
    await archive_now(shop.url, shop.archive)
    runs.append(await shop.ended(part))
    assert (await part.subjects.erase(ALICE, None, TESTER)).row["runs"] == 2
    [file] = await archive_now(shop.url, shop.archive)
    assert file.runs == 1
    runs.append(await shop.ended(part))
    await archive_now(shop.url, shop.archive)
    await shop.verify()
    for run_id, expected in zip(runs, (GONE, GONE, GIVEN), strict=True):
        await check(part, run_id, expected)
    before = stored(shop.archive)
    assert len(before) == 3
    assert (await part.subjects.erase(ALICE, None, TESTER)).row["runs"] == 1
    await shop.verify()
    await lose_rows_and_rebuild(shop)
    for run_id in runs:
        await check(part, run_id, GONE)
    assert stored(shop.archive) == before
    assert places_of(shop.url, *SECRETS) == set()


async def test_a_step_down_below_the_archives_destroys_no_keys(shop: Shop, part: Parts) -> None:
    run_id = await shop.ended(part)
    await archive_now(shop.url, shop.archive)
    # Refused for the keys' sake already, before the archives have to refuse it.
    with pytest.raises(runner.SchemaError, match="no place for the keys of 1 subjects"):
        await asyncio.to_thread(runner.downgrade, shop.url, "0008")
    assert query(shop.url, "SELECT count(*) FROM subject_keys") == [(1,)]
    await check(part, run_id, GIVEN)


async def test_a_retry_of_an_archived_run_has_its_data_still_encrypted(
    shop: Shop, part: Parts
) -> None:
    run_id = await shop.ended(part)
    await archive_now(shop.url, shop.archive)
    again = (await part.jobs.retry(run_id, TESTER)).run_id
    assert places_of(shop.url, *SECRETS) == {"job_runs.parameters"}
    with pytest.raises(ConflictError, match=str(again)):
        await part.subjects.erase(ALICE, None, TESTER)
    await part.jobs.cancel(again, None, TESTER)
    assert (await part.subjects.erase(ALICE, None, TESTER)).row["runs"] == 2
    await check(part, again, GONE)
    await shop.verify()


@pytest.mark.parametrize("archived_first", [True, False])
async def test_a_rebuild_during_which_runs_are_archived_and_erased_brings_nothing_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, archived_first: bool
) -> None:
    tries: list[int] = []

    async with shop.parts() as part:
        await shop.ended(part)
        await shop.ended(part, customerId="bo")
        if archived_first:
            await archive_now(shop.url, shop.archive)
        query(shop.url, "UPDATE job_runs SET slug = 'sabotaged' RETURNING 1")
        write = Repairer._write

        async def writing(self: Any, keys: Any, *, delete_first: bool) -> Any:
            tries.append(len(keys))
            if len(tries) == 1:
                await archive_now(shop.url, shop.archive)
                await part.subjects.erase(ALICE, None, TESTER)
            return await write(self, keys, delete_first=delete_first)

        monkeypatch.setattr(Repairer, "_write", writing)
        monkeypatch.setattr(repair, "INITIAL_BATCH", 1)
        assert (await shop.rebuild()).repaired == 2
        assert len(tries) > 2
        await shop.verify()
    assert shop.parameters() == [GONE, {**GIVEN, "customerId": "bo"}]
    assert places_of(shop.url, ALICE) == set()
