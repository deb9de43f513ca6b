"""The master key is changed while the service works; a rotation may end at any moment."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.errors import SubjectKeysUnavailableError
from domain.jobs.launching import Launch
from eventlog import key_rotation
from eventlog.database.connection import Database
from eventlog.key_rotation import rotate
from eventlog.keys import MasterKey, MasterKeyFile
from eventlog.personal import check
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs.personal import GIVEN, SCHEMA

SUBJECTS = 12


async def launched(part: Parts, name: str) -> None:
    run_id = (
        await part.jobs.launch("job", Launch(parameters={**GIVEN, "customerId": name}), TESTER)
    ).run_id
    await part.jobs.cancel(run_id, None, TESTER)


async def rotated(url: str, key: Path) -> str | None:
    async with await Database(url).connect() as connection:
        new = await rotate(connection, MasterKeyFile(key), lambda _: None)
        return None if new is None else new.id


async def names_in(part: Parts) -> set[str]:
    events = [event for event in await part.reader.after(0) if event.topic == "job_run.requested"]
    return {str(event.data["parameters"]["customerId"]) for event in events}  # type: ignore[index,call-overload]


async def filled(part: Parts) -> set[str]:
    await registered(part.jobs, parameters_schema=SCHEMA)
    names = {f"customer-{number}" for number in range(SUBJECTS)}
    for name in names:
        await launched(part, name)
    return names


async def test_where_there_is_no_key_there_is_nothing_to_change(
    database_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "subjects.key"
    assert await rotated(database_url, key) is None
    assert not key.exists()


async def test_a_running_process_goes_on_with_the_new_key(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "KEYS_AT_ONCE", 5)
    key = tmp_path / "subjects.key"

    async with parts(database_url, subject_key=key) as part:
        names = await filled(part)
        old, before = (
            key.read_text(),
            query(database_url, "SELECT * FROM subject_keys ORDER BY key_id"),
        )
        new = await rotated(database_url, key)
        after = query(database_url, "SELECT * FROM subject_keys ORDER BY key_id")
        assert {row[3] for row in after} == {new}
        for one, other in zip(before, after, strict=True):
            assert one[0] == other[0]
            assert (one[1], one[2]) != (other[1], other[2])
        assert set(old.splitlines()) & set(key.read_text().splitlines()) <= {
            line for line in old.splitlines() if line.startswith("#")
        }
        assert await names_in(part) == names
        await launched(part, "customer-3")
        await launched(part, "customer-new")
        assert query(database_url, "SELECT count(*) FROM subject_keys") == [(SUBJECTS + 1,)]
        assert (await part.subjects.erase("customer-3", None, TESTER)).row["runs"] == 2
        # Whoever has the old key, and a copy of the old table, cannot read what is stored now,
        # and vice versa.
        key.write_text(old)
    async with parts(database_url, subject_key=key) as part:
        with pytest.raises(SubjectKeysUnavailableError):
            await names_in(part)


@pytest.mark.parametrize(
    "moment", ["before the change", "while wrapping", "before the file is cleaned"]
)
async def test_a_rotation_that_was_killed_leaves_all_readable_and_the_next_completes_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    key = tmp_path / "subjects.key"
    monkeypatch.setattr(key_rotation, "KEYS_AT_ONCE", 5)
    calls: list[int] = []
    wrap_some = key_rotation._rewrap

    async def dying(connection: Any, file: Any, new: Any) -> int:
        calls.append(1)
        if moment == "while wrapping" and len(calls) == 2:
            raise KeyboardInterrupt
        return await wrap_some(connection, file, new)

    write = MasterKeyFile.write

    def writing(self: MasterKeyFile, keys: Any, *, replace: bool = True) -> None:
        if moment == "before the file is cleaned" and len(keys) == 1:
            raise KeyboardInterrupt
        write(self, keys, replace=replace)
        if moment == "before the change":
            raise KeyboardInterrupt

    async def check(names: set[str]) -> None:
        async with parts(database_url, subject_key=key) as part:
            assert await names_in(part) == names
            for name in names:
                await launched(part, name)
        assert query(database_url, "SELECT count(*) FROM subject_keys") == [(SUBJECTS,)]

    async with parts(database_url, subject_key=key) as part:
        names = await filled(part)
    with monkeypatch.context() as patched:
        patched.setattr(key_rotation, "_rewrap", dying)
        patched.setattr(MasterKeyFile, "write", writing)
        with pytest.raises(KeyboardInterrupt):
            await rotated(database_url, key)
    assert len(MasterKeyFile(key).last_read()) == 2
    await check(names)
    new = await rotated(database_url, key)
    assert [one.id for one in MasterKeyFile(key).last_read()] == [new]
    assert query(database_url, "SELECT DISTINCT master FROM subject_keys") == [(new,)]
    await check(names)


class Overtaken(MasterKeyFile):
    """A file that somebody else's rotation changes just before it is looked into."""

    def __init__(self, path: Path, rotate_once: Callable[[], None]) -> None:
        super().__init__(path)
        self._rotate_once = rotate_once
        self.is_overtaken = False

    def key(self, master_id: str) -> MasterKey:
        if not self.is_overtaken:
            self.is_overtaken = True
            self._rotate_once()
        return super().key(master_id)


async def test_whoever_is_overtaken_by_a_rotation_looks_again(
    database_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "subjects.key"
    async with parts(database_url, subject_key=key) as part:
        await filled(part)

    def rotate_once() -> None:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(lambda: asyncio.run(rotated(database_url, key))).result()

    file = Overtaken(key, rotate_once)
    async with await Database(database_url).connect() as connection:
        await check(connection, file)
    assert file.is_overtaken


async def test_rotations_at_the_same_time_come_one_after_the_other(
    database_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "subjects.key"
    async with parts(database_url, subject_key=key) as part:
        names = await filled(part)
        for _ in range(5):
            new = await asyncio.gather(*(rotated(database_url, key) for _ in range(3)))
            assert len(set(new)) == 3
        assert await names_in(part) == names


async def test_a_rotation_waits_for_what_others_do_to_the_same_keys(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "subjects.key"
    wrap_some = key_rotation._rewrap
    faults = [psycopg.errors.DeadlockDetected("no")]

    async def unlucky(connection: Any, file: Any, new: Any) -> int:
        if faults:
            raise faults.pop()
        return await wrap_some(connection, file, new)

    async with parts(database_url, subject_key=key) as part:
        names = await filled(part)
        monkeypatch.setattr(key_rotation, "_rewrap", unlucky)
        assert await rotated(database_url, key) is not None
        assert await names_in(part) == names


async def test_launches_and_erasures_go_on_while_the_key_is_changed_again_and_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "KEYS_AT_ONCE", 2)
    key = tmp_path / "subjects.key"

    async with (
        parts(database_url, subject_key=key) as one,
        parts(database_url, subject_key=key) as two,
    ):
        names = await filled(one)
        over: list[int] = []

        async def working(part: Parts, prefix: str) -> None:
            number = 0
            while not over:
                name = f"{prefix}-{number % 7}"
                await launched(part, name)
                if number % 3 == 0:
                    await part.subjects.erase(name, None, TESTER)
                await launched(part, next(iter(names)))
                number += 1

        tasks = [asyncio.create_task(working(one, "a")), asyncio.create_task(working(two, "b"))]
        for _ in range(5):
            await rotated(database_url, key)
        over.append(1)
        await asyncio.gather(*tasks)
        twice = "SELECT count(*) - count(DISTINCT lookup) FROM subject_keys"
        assert query(database_url, twice) == [(0,)]
        whose = "parameters->>'customerId' = %s"
        shared = f"SELECT count(DISTINCT personal) FROM job_runs WHERE {whose}"
        for name in names:
            assert query(database_url, shared, name) == [(1,)]
