"""Keys and kept heads of the sealer: who may seal, and when it stops to."""

import asyncio
import stat
from pathlib import Path

import pytest

from eventlog.seal.keys import SealKeyError, SealKeys, create_keys, read_keys
from eventlog.seal.seal import SealError
from tests.support.sample_logs.seals import SealedLog, edit, sealed_log, sealer, unsealed


@pytest.fixture
def log(database_url: str, tmp_path: Path) -> SealedLog:
    return SealedLog(database_url, tmp_path)


async def test_the_key_is_made_with_the_first_seal_and_only_its_owner_can_read_it(
    log: SealedLog,
) -> None:
    log.append(1)
    await log.seal()
    key_file = log.how.key_file
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    first = key_file.read_bytes()
    log.append(1)
    await log.seal()
    assert key_file.read_bytes() == first
    assert sorted(path.name for path in log.directory.iterdir()) == ["seal.head", "seal.key"]


async def test_a_log_that_was_sealed_with_another_key_is_left_alone(
    log: SealedLog, tmp_path: Path
) -> None:
    log.append(1)
    await log.seal()
    log.append(1)
    other = SealedLog(log.url, tmp_path / "other")
    other.directory.mkdir()
    with pytest.raises(SealError, match="a key that this process does not have"):
        await other.seal()
    assert list(other.directory.iterdir()) == []
    create_keys(other.how.key_file)
    with pytest.raises(SealError, match="not signed by a key that is trusted"):
        await other.seal()
    assert unsealed(log.url) == 1
    # A new key takes over once the old public key stands behind it; both kinds of seals are trusted
    # then.
    with other.how.key_file.open("ab") as file:
        file.write(SealKeys(log.keys.public).public_pem())
    await other.seal()
    assert unsealed(log.url) == 0
    assert (await other.verify(other.how.head_file)).clean
    assert not (await other.verify(keys=log.keys)).clean


async def test_a_sealer_notices_that_seals_were_taken_away_and_does_not_go_on(
    log: SealedLog,
) -> None:
    await sealed_log(log.url, log.directory)
    for damage in (
        "DELETE FROM log_seals WHERE number = 6",
        "UPDATE log_seals SET signature = '' WHERE number = 5",
        (
            "ALTER TABLE log_seals ALTER head DROP NOT NULL, ALTER signature DROP NOT NULL,"
            " ALTER peaks DROP NOT NULL"
        ),
        "UPDATE log_seals SET peaks = NULL WHERE number = 5",
        "UPDATE log_seals SET head = NULL, signature = NULL WHERE number = 5",
        "DELETE FROM log_seals",
    ):
        edit(log.url, damage)
        with pytest.raises(SealError):
            await log.seal()
    log.how.key_file.unlink()
    with pytest.raises(SealError, match=r"neither its key .* nor any seal"):
        await log.seal()


async def test_a_running_sealer_notices_it_as_well(log: SealedLog) -> None:
    async with sealer(log.url, log.how) as one:
        for _ in range(3):
            await asyncio.to_thread(log.append, 2)
            await one.cycle()
        log.how.head_file.unlink()
        await asyncio.to_thread(edit, log.url, "DELETE FROM log_seals WHERE number = 3")
        with pytest.raises(SealError, match="contradict what was sealed"):
            await one.cycle()


async def test_after_a_restore_on_purpose_sealing_goes_on_once_the_kept_head_is_moved_away(
    log: SealedLog,
) -> None:
    await sealed_log(log.url, log.directory)
    edit(
        log.url,
        "DELETE FROM log_seals WHERE number > 3",
        "DELETE FROM jobs_events WHERE notification_id > 16",
    )
    with pytest.raises(SealError, match="move that file away"):
        await log.seal()
    log.how.head_file.rename(log.directory / "before-the-restore.head")
    log.append(2)
    await log.seal()
    assert (await log.verify(log.how.head_file)).clean
    assert not (await log.verify(log.directory / "before-the-restore.head")).clean


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "0 private and 0 public"),
        ("no key", "0 private and 0 public"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot use the keys"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot use the keys"),
    ],
)
async def test_a_broken_key_file_is_a_clear_error(log: SealedLog, content: str, why: str) -> None:
    log.append(1)
    log.how.key_file.write_text(content)
    with pytest.raises(SealKeyError, match=why):
        await log.seal()
    assert log.how.key_file.read_text() == content


async def test_a_key_file_of_public_keys_alone_checks_and_does_not_seal(
    log: SealedLog, tmp_path: Path
) -> None:
    log.append(1)
    await log.seal()
    public = tmp_path / "public.pem"
    public.write_bytes(log.keys.public_pem())
    keys = read_keys(public)
    assert keys.id == log.keys.id
    assert (await log.verify(keys=keys)).clean
    with pytest.raises(SealKeyError, match="no private key"):
        keys.sign(b"message")
