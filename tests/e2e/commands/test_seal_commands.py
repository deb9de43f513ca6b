"""`apphub-jobs seal …`: as an operator uses it, and as an auditor with nothing but a public key."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support.commands import Done, typed
from tests.support.logs import query
from tests.support.processes import eventually, started
from tests.support.sample_logs.seals import SealedLog, edit, rewrite_seals, sealed_log


def _run(*command: str, url: str = "") -> Done:
    """Run a command of the real command line in this process, which saves a second.

    It makes a loop of its own, so the tests here are no coroutines.
    """
    env = {"APPHUB_DATABASE_URL": url or None, "DATABASE_URL": None}
    return typed(["seal", *command], env)


def _json(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
async def log(database_url: str, tmp_path: Path) -> SealedLog:
    return await sealed_log(database_url, tmp_path)


def test_the_api_seals_by_itself_and_the_log_is_verified_while_it_runs(
    database_url: str, tmp_path: Path
) -> None:
    arguments = ("--port", "0", "--data-dir", str(tmp_path), "--seal-every-s", "0.1")
    with started("serve", *arguments, APPHUB_DATABASE_URL=database_url) as process:
        with httpx.Client(base_url=process.url(), timeout=90) as client:
            register(client, "job", "test.noop")
            for _ in range(5):
                launch(client, "job")
        [(head,)] = query(database_url, "SELECT max(notification_id) FROM jobs_events")
        sealed = "SELECT 1 FROM log_seals WHERE position = %s"
        eventually(lambda: query(database_url, sealed, head), what="everything being sealed")
        report = _json(_run("verify", "--json", "--data-dir", str(tmp_path), url=database_url))
    assert report["clean"]
    assert (report["firstBadPosition"], report["unsealedEvents"], report["keptHeads"]) == (
        None,
        0,
        1,
    )
    assert report["lastSeal"]["head"]["position"] == head


def test_an_api_that_is_told_not_to_seal_makes_no_key(database_url: str, tmp_path: Path) -> None:
    arguments = ("--port", "0", "--data-dir", str(tmp_path), "--seal-every-s", "0")
    with started("serve", *arguments, APPHUB_DATABASE_URL=database_url) as process:
        process.url()
    assert query(database_url, "SELECT count(*) FROM log_seals") == [(0,)]
    assert not (tmp_path / "seal.key").exists()
    done = _run("verify", "--data-dir", str(tmp_path), url=database_url)
    assert done.returncode == 1
    assert "seal.key" in done.stderr


@pytest.mark.spoils_its_log
def test_a_sealer_of_its_own_seals_with_its_own_key(database_url: str, tmp_path: Path) -> None:
    key = tmp_path / "elsewhere" / "key.pem"
    key.parent.mkdir()
    log = SealedLog(database_url, tmp_path)
    log.append(3)
    common = ("--data-dir", str(tmp_path), "--seal-key", str(key))
    with started(
        "seal", "run", *common, "--seal-every-s", "0.1", APPHUB_DATABASE_URL=database_url
    ) as process:
        process.wait_for_line("sealing the log", errors=True)
        eventually(
            lambda: query(database_url, "SELECT 1 FROM log_seals WHERE position = 3"), what="a seal"
        )
        log.append(2)
        assert process.stop() == 0
    assert query(database_url, "SELECT max(position) FROM log_seals") == [(5,)]
    done = _run("verify", *common, url=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "the log is what was sealed"


@pytest.mark.spoils_its_log
def test_an_edit_ends_verify_with_code_1_and_the_first_bad_position(log: SealedLog) -> None:
    edit(log.url, "UPDATE jobs_events SET actor = 'x' WHERE notification_id IN (14, 28)")
    common = ("verify", "--data-dir", str(log.directory))
    done = _run(*common, url=log.url)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert "position 14: the event was altered after seal 2 had sealed it" in lines
    assert lines[-1] == "the log is not what was sealed; first bad position: 14"
    as_json = _run(*common, "--json", url=log.url)
    assert as_json.returncode == 1
    report = json.loads(as_json.stdout)
    assert (report["clean"], report["firstBadPosition"]) == (False, 14)
    assert [finding["position"] for finding in report["findings"]] == [14, 28]


@pytest.mark.spoils_its_log
def test_one_command_verifies_tables_and_seals(log: SealedLog, tmp_path: Path) -> None:
    arguments = ["verify", "--data-dir", str(log.how.head_file.parent), "--database-url", log.url]
    kept = tmp_path / "kept"
    kept.write_bytes(log.how.head_file.read_bytes())
    env = {"APPHUB_DATABASE_URL": None, "DATABASE_URL": None}
    for options in (["--seal"], ["--root", str(kept)], ["--seal", "--json"]):
        done = typed([*arguments, "job_definitions", *options], env)
        assert done.returncode == 0, done.stdout + done.stderr
    [seal, table] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (table["kind"], seal["kind"], seal["clean"]) == ("table", "seal", True)
    edit(log.url, "UPDATE jobs_events SET actor = 'mallory' WHERE notification_id = 3")
    done = typed([*arguments, "job_definitions", "--seal"], env)
    assert done.returncode == 1
    assert "first bad position: 3" in done.stdout
    edit(log.url, "UPDATE jobs_events SET state = 'no JSON' WHERE notification_id = 2")
    done = typed(["verify", *arguments[1:], "--seal"], env)
    assert done.returncode == 1
    assert "first bad position: 2" in done.stdout, (
        "what cannot be folded any more is named all the same"
    )


@pytest.mark.spoils_its_log
def test_a_head_that_was_exported_uncovers_a_log_rewritten_with_the_stolen_key(
    log: SealedLog, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    common = ("--data-dir", str(log.directory))
    assert json.loads(_run("export", *common, url=log.url).stdout)["head"]["number"] == 6
    for _ in range(2):  # A head that the file has already is not written twice.
        assert _run("export", str(kept), *common, url=log.url).returncode == 0
    assert len(kept.read_text().splitlines()) == 1
    assert _run("verify", "--root", str(kept), *common, url=log.url).returncode == 0
    edit(log.url, "UPDATE jobs_events SET actor = 'x' WHERE notification_id = 28")
    asyncio.run(rewrite_seals(log.url, log.keys, log.keys))
    log.how.head_file.unlink()
    assert _run("verify", *common, url=log.url).returncode == 0
    done = _run("verify", "--root", str(kept), *common, url=log.url)
    assert done.returncode == 1
    assert f"seal 6, kept in {kept}, contradicts the log" in done.stdout
    assert done.stdout.splitlines()[-1] == "the log is not what was sealed; first bad position: 20"


@pytest.mark.spoils_its_log
def test_proofs_are_checked_with_the_public_key_alone(log: SealedLog, tmp_path: Path) -> None:
    common = ("--data-dir", str(log.directory))
    kept, public, proof = (tmp_path / name for name in ("kept.json", "public.pem", "proof.json"))
    kept.write_text(_run("export", *common, url=log.url).stdout)
    public.write_text(_run("public-key", *common).stdout)
    # From here on as somebody who has no database and no data directory.
    offline = (
        "check-proof",
        str(proof),
        "--data-dir",
        str(tmp_path / "nothing"),
        "--public-key",
        str(public),
    )
    inclusion = _json(_run("prove", "25", *common, url=log.url))
    assert inclusion["event"]["position"] == 25
    assert inclusion["event"]["actor"] == "tester"
    proof.write_text(json.dumps(inclusion))
    done = _run(*offline)
    assert done.returncode == 0, done.stderr
    assert "the event at position 25 is event 20 of the 27 under seal 6" in done.stdout
    for name, value in (
        ("actor", "x"),
        ("topic", "job_run.canceled"),
        ("recordedAt", "2026-01-01T00:00:00Z"),
    ):
        proof.write_text(json.dumps({**inclusion, "event": {**inclusion["event"], name: value}}))
        refused = _run(*offline)
        assert refused.returncode == 1
        assert "not what was sealed at position 25" in refused.stderr

    log.append(5)
    asyncio.run(log.seal())
    assert _json(_run("prove", "25", "--under", str(kept), *common, url=log.url)) == inclusion
    proof.write_text(_run("prove", "--since", str(kept), *common, url=log.url).stdout)
    done = _run(*offline)
    assert done.returncode == 0, done.stderr
    assert "the 34 events under seal 7" in done.stdout
    assert "begin with the 27 under seal 6" in done.stdout


@pytest.mark.spoils_its_log
def test_what_cannot_be_proven_is_a_clear_error(log: SealedLog, tmp_path: Path) -> None:
    common = ("--data-dir", str(log.directory))
    kept = asyncio.run(log.export("kept.json"))
    for arguments, why in (
        (("34",), "covers no event at position 34"),
        (("9",), "covers no event at position 9"),
        ((), "either a position or --since"),
        (("3", "--since", str(kept)), "either a position or --since"),
    ):
        done = _run("prove", *arguments, *common, url=log.url)
        assert done.returncode == 1
        assert why in done.stderr
    edit(log.url, "UPDATE jobs_events SET actor = 'x' WHERE notification_id = 5")
    done = _run("prove", "5", *common, url=log.url)
    assert done.returncode == 1
    assert "not what was sealed at position 5" in done.stderr
    rubbish = tmp_path / "rubbish.json"
    for text in ("", "[]", "{}", '{"format": "x", "path": []}', kept.read_text()):
        rubbish.write_text(text)
        refused = _run("check-proof", str(rubbish), *common)
        assert refused.returncode == 1
        refused = _run("verify", "--root", str(rubbish), *common, url=log.url)
        assert refused.returncode == 1
