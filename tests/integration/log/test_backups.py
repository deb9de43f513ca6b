"""Backups and restores by their commands, in this process, from one database into another."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.jobs.launching import Launch
from eventlog.backup import load
from eventlog.backup.dump import KEY_TABLES, LOG_TABLES, NOT_COPIED
from projections.tables import TABLES
from tests.support.commands import Done, typed
from tests.support.logs import TESTER, parts, query
from tests.support.sample_logs.archives import archive_now, ended_run, files_in
from tests.support.sample_logs.personal import ALICE, ERASED, GIVEN
from tests.support.sample_logs.seals import SealedLog
from tests.support.sample_logs.shops import Shop, new_shop

EVENTS = "SELECT * FROM jobs_events ORDER BY notification_id"


@dataclass(frozen=True)
class Site:
    """A database to back up, and an empty one to restore into."""

    source: str
    target: str
    directory: Path

    def type(self, *words: str, of: str) -> Done:
        env = {"APPHUB_DATABASE_URL": of, "DATABASE_URL": None}
        data_dir = self.directory / ("data" if of == self.source else "restored")
        command = [*words, "--data-dir", str(data_dir)]
        return typed(command, env)

    def back_up(self, name: str = "set", *options: str) -> Path:
        done = self.type("backup", str(self.directory / name), *options, of=self.source)
        assert done.returncode == 0, done
        return self.directory / name

    def restore(self, backup: Path, *options: str) -> Done:
        return self.type("restore", str(backup), *options, of=self.target)


@pytest.fixture
def site(database_url: str, empty_database_url: str, tmp_path: Path) -> Site:
    (tmp_path / "data").mkdir()
    return Site(database_url, empty_database_url, tmp_path)


def test_of_every_table_it_is_known_what_a_backup_does_with_it(database_url: str) -> None:
    computed = {table.name for table in TABLES}
    known = [*LOG_TABLES, *KEY_TABLES, *NOT_COPIED, *computed]
    tables = query(database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert sorted(known) == sorted(name for (name,) in tables)


@pytest.fixture
def archived(site: Site) -> Site:
    """Fill the log: three runs in an archive file and two in the log, under two seals."""

    async def fill() -> None:
        async with parts(site.source) as part:
            for number in range(3):
                await ended_run(part, Launch(parameters={"number": number}))
            await log.seal()
            await archive_now(site.source, site.directory / "data" / "archive")
            for number in range(2):
                await ended_run(part, Launch(parameters={"number": number}))
        await log.seal()

    log = SealedLog(site.source, site.directory / "data")
    asyncio.run(fill())
    return site


def test_what_is_restored_is_the_same_to_the_byte(archived: Site) -> None:
    backup = archived.back_up()
    [file] = files_in(archived.directory / "data" / "archive")
    there = archived.directory / "restored" / "archive" / file.name
    there.parent.mkdir(parents=True)
    there.write_bytes(file.read_bytes())  # It may be a directory that both share.
    done = archived.restore(backup, "--json")
    assert done.returncode == 0, done
    for table in LOG_TABLES:
        rows = f"SELECT * FROM {table} ORDER BY 1, 2"
        assert query(archived.target, rows) == query(archived.source, rows), table
    for directory in ("data", "restored"):
        [file] = files_in(archived.directory / directory / "archive")
        assert file.name in {path.name for path in files_in(backup / "archive")}
    facts = {fact["kind"]: fact for fact in map(json.loads, done.stdout.splitlines())}
    assert (facts["log"]["events"], facts["log"]["left_out"]) == (17, 0)
    [(drawn,)] = query(archived.source, "SELECT last_value FROM jobs_events_notification_id_seq")
    again = query(archived.target, "SELECT last_value FROM jobs_events_notification_id_seq")
    assert again == [(drawn,)]
    key = str(SealedLog(archived.source, archived.directory / "data").how.key_file)
    verified = archived.type("seal", "verify", "--seal-key", key, of=archived.target)
    assert verified.returncode == 0, verified
    refused = archived.restore(backup)
    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)


def test_up_to_a_position_later_archives_have_not_been_made(
    archived: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the archive all its events stood in the log; the runs are in the state of then."""
    monkeypatch.setattr(load, "BYTES_AT_ONCE", 2_000)
    [(position,)] = query(
        archived.source,
        "SELECT positions[2] FROM archived_runs ORDER BY first_position DESC LIMIT 1",
    )
    backup = archived.back_up()
    manifest = json.loads((backup / "manifest.json").read_text())
    # As of an older version, which had no other columns in these tables.
    (backup / "manifest.json").write_text(json.dumps({**manifest, "schema": "0039"}))
    done = archived.restore(backup, "--to-position", str(position), "--json")
    assert done.returncode == 0, done
    states = query(archived.target, "SELECT status FROM job_runs ORDER BY created_position")
    assert states == [("succeeded",), ("succeeded",), ("running",)]
    events = query(archived.target, EVENTS)
    assert (len(events), max(event[4] for event in events)) == (9, position)
    assert query(archived.target, "SELECT count(*) FROM log_archives") == [(0,)]
    verified = archived.type("verify", "--histories", of=archived.target)
    assert verified.returncode == 0, verified
    facts = {fact["kind"]: fact for fact in map(json.loads, done.stdout.splitlines())}
    assert facts["log"]["left_out"] == 8
    assert [run["state"] for run in facts["restarts"]["runs"]] == ["lost"]
    # Positions that were drawn are not drawn again.
    [(drawn,)] = query(archived.target, "SELECT last_value FROM jobs_events_notification_id_seq")
    assert drawn >= manifest["position"]


def test_a_table_that_was_not_equal_to_the_log_is_noticed(archived: Site) -> None:
    query(archived.source, "DELETE FROM job_runs WHERE status = 'succeeded' RETURNING 1")
    done = archived.restore(archived.back_up())
    assert done.returncode == 1
    assert "job_runs: 5 rows, but 0 at the backup" in done.stdout
    assert query(archived.target, "SELECT count(*) FROM job_runs") == [(5,)]


def test_who_was_erased_after_a_backup_stays_erased(site: Site) -> None:
    async def served() -> None:
        shop = await new_shop(site.source, site.directory / "data")
        async with shop.parts() as part:
            await shop.ended(part)
            await shop.ended(part, customerId="bob")

    async def erased() -> None:
        async with Shop(site.source, site.directory / "data").parts() as part:
            await part.subjects.erase("bob", None, TESTER)

    asyncio.run(served())
    old = site.back_up("old")
    assert ALICE.encode() not in b"".join(map(gzip.decompress, _contents(old / "tables")))
    asyncio.run(erased())
    site.back_up("", "--dated", "--keys", str(site.directory / "subject-keys.json"))
    others = site.directory / "others.json"
    keys = site.directory / "subject-keys.json"
    others.write_text(keys.read_text().replace('"log_id": "', '"log_id": "0'))
    refused = site.type("backup", str(others.with_name("x")), "--keys", str(others), of=site.source)
    assert (refused.returncode, "keys of another log" in refused.stderr) == (1, True)
    key = ("--subject-key", str(site.directory / "data" / "subjects.key"))
    refused = site.restore(old, *key, "--keys", str(keys.with_name("none")))
    assert (refused.returncode, "--without-keys" in refused.stderr) == (1, True)
    assert "subjects.key has no key" in site.restore(old).stderr
    done = site.restore(old, *key)
    assert done.returncode == 0, done
    assert "1 person erased since the backup stays erased" in done.stdout
    restored = Shop(site.target, site.directory / "data").parameters()
    assert restored == [GIVEN, {**GIVEN, "customerId": ERASED, "address": ERASED}]
    assert query(site.target, "SELECT count(*) FROM subject_keys") == [(1,)]


def _contents(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in directory.iterdir()]


def test_what_is_no_whole_backup_is_refused_before_anything_is_written(archived: Site) -> None:
    backup = archived.back_up()
    again = archived.type("backup", str(backup), of=archived.source)
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)
    events = backup / "tables" / "jobs_events.copy.gz"
    content = bytearray(events.read_bytes())
    content[-20] ^= 1
    events.write_bytes(content)
    for problem in (f"{events} is damaged", "its backup did not end"):
        refused = archived.restore(backup)
        assert (refused.returncode, problem in refused.stderr) == (1, True), refused.stderr
        (backup / "manifest.json").unlink(missing_ok=True)
    assert query(archived.target, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [
        (0,)
    ]
    [file] = files_in(archived.directory / "data" / "archive")
    file.unlink()
    failed = archived.type("backup", str(archived.directory / "other"), of=archived.source)
    assert (failed.returncode, "is missing" in failed.stderr) == (1, True)
    assert not (archived.directory / "other").exists()
