"""What a head that was kept elsewhere tells: cut and rewritten logs, whoever has the key."""

from pathlib import Path

import pytest

from tests.support.sample_logs.seals import SealedLog, edit, new_keys, rewrite_seals
from tests.support.sample_logs.tampering import LAST_SEALED, delete, findings_of, update


async def test_the_last_seals_removed_with_their_events_are_missed_by_the_head_that_was_kept(
    log: SealedLog,
) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number > 5", delete("notification_id > 29"))
    assert (await log.verify()).clean, "this is what a kept head is for"
    # The kept head names the seal before it, which is still there: so it is known where the log was
    # cut.
    assert findings_of(await log.verify(log.how.head_file)) == [("removed", 30, LAST_SEALED)]
    edit(log.url, "DELETE FROM log_seals WHERE number > 4", delete("notification_id > 26"))
    assert (await log.verify()).clean
    [(kind, first, until)] = findings_of(await log.verify(log.how.head_file))
    assert (kind, until) == ("removed", LAST_SEALED)
    assert 17 < first <= 27


async def test_the_last_seal_removed_without_its_events_is_missed_by_the_head_that_was_kept(
    log: SealedLog,
) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number = 6")
    report = await log.verify(log.how.head_file)
    assert findings_of(report) == [("seal", 30, LAST_SEALED)]
    assert "no longer among the log's seals" in report.findings[0].text


async def test_log_and_seals_rewritten_from_one_event_on_without_the_key_are_found_there(
    log: SealedLog, tmp_path: Path
) -> None:
    keys = log.keys
    edit(log.url, update(18, "actor = 'x'"))
    await rewrite_seals(log.url, new_keys(tmp_path), keys, first=4)
    report = await log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("seal", 17)
    assert report.seals == 3
    kept = await log.verify(log.how.head_file)
    assert kept.first is not None
    assert kept.first.position <= 18 <= kept.first.until
    assert "contradicted" in {kind for kind, *_ in findings_of(kept)}


@pytest.mark.parametrize("position", [2, 7, 11, 16, 18, 26, 28, LAST_SEALED])
async def test_log_and_seals_rewritten_with_the_key_contradict_heads_kept_elsewhere(
    log: SealedLog, position: int, tmp_path: Path
) -> None:
    late = await log.export("late.json")
    edit(log.url, update(position, "actor = 'x'"))
    await rewrite_seals(log.url, log.keys, log.keys)
    assert (await log.verify()).clean, (
        "whoever has the key can do this; only a head kept elsewhere tells"
    )
    report = await log.verify(late)
    assert [kind for kind, *_ in findings_of(report)] == ["contradicted"]
    assert report.first is not None
    # 27 leaves: the peaks are those of 16, 8, 2 and 1 leaves.
    ranges = [(1, 19), (20, 29), (30, 32), (33, 33)]
    [expected] = [(first, until) for first, until in ranges if first <= position <= until]
    assert expected[0] <= report.first.position <= position <= report.first.until <= expected[1]


async def test_a_rewrite_of_the_last_seal_alone_is_found_under_it(log: SealedLog) -> None:
    late = await log.export("late.json")
    edit(log.url, update(32, "actor = 'x'"))
    await rewrite_seals(log.url, log.keys, log.keys, first=6)
    # Seal 5 still is the one that the kept head names as the one before it.
    assert findings_of(await log.verify(late)) == [("contradicted", 30, 32)]


async def test_heads_kept_at_several_times_narrow_down_where_a_log_was_rewritten(
    database_url: str, tmp_path: Path
) -> None:
    log = SealedLog(database_url, tmp_path)
    kept = []
    for number in range(10):
        log.append(10)
        await log.seal()
        kept.append(await log.export(f"{number}.json"))
    edit(log.url, update(47, "actor = 'x'"))
    await rewrite_seals(log.url, log.keys, log.keys)
    together = tmp_path / "all.jsonl"
    together.write_bytes(b"".join(file.read_bytes() for file in reversed(kept)))
    report = await log.verify(together)
    assert report.kept == 10
    assert report.first is not None
    assert (report.first.position, report.first.until) == (41, 48)


async def test_seals_made_anew_over_an_untouched_log_are_told_from_it(
    log: SealedLog, tmp_path: Path
) -> None:
    late = await log.export("late.json")
    edit(log.url, "DELETE FROM log_seals")
    log.how.head_file.unlink()
    await log.seal()
    assert (await log.verify()).clean
    report = await log.verify(late)
    assert [kind for kind, *_ in findings_of(report)] == ["seal"]


async def test_a_log_put_in_the_place_of_another_is_told_by_the_head_that_was_kept(
    log: SealedLog, tmp_path: Path
) -> None:
    late = await log.export("late.json")
    edit(
        log.url,
        "DELETE FROM log_seals",
        delete("true"),
        "UPDATE log_identity SET id = gen_random_uuid()",
    )
    log.how.head_file.unlink()
    log.append(30)
    await log.seal()
    assert (await log.verify()).clean
    report = await log.verify(late)
    assert [kind for kind, *_ in findings_of(report)] == ["contradicted"]
    assert "another log" in report.findings[0].text


async def test_the_tail_that_is_not_sealed_yet_tells_nothing(log: SealedLog) -> None:
    """Documented in docs/tamper-evidence.md: between append and seal an edit leaves no trace."""
    edit(log.url, update(34, "actor = 'x'"), delete("notification_id = 35"))
    report = await log.verify(log.how.head_file)
    assert (report.clean, report.unsealed) == (True, 1)
