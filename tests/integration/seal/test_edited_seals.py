"""Edits of the seals are found, also where an event was edited with its seal."""

from pathlib import Path

import pytest

from tests.support.sample_logs.seals import SealedLog, edit, new_keys, rewrite_seals
from tests.support.sample_logs.tampering import LAST_SEALED, delete, findings_of, update


@pytest.mark.parametrize(
    ("number", "first", "until"), [(1, 1, 10), (2, 11, 15), (4, 17, 26), (5, 27, 30)]
)
async def test_a_removed_seal_is_named_and_its_events_are_still_checked(
    log: SealedLog, number: int, first: int, until: int
) -> None:
    edit(log.url, f"DELETE FROM log_seals WHERE number = {number}")
    report = await log.verify()
    assert findings_of(report) == [("seal", first, until)]
    assert report.findings[0].text == f"seal {number} is missing"
    edit(log.url, update(first + 1 if number != 3 else first, "actor = 'x'"))
    again = await log.verify()
    assert again.first is not None
    assert again.first.position <= first + 1 <= again.first.until <= until
    assert {kind for kind, *_ in findings_of(again)} == {"seal", "contradicted"}


async def test_removed_seals_are_named_together(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number BETWEEN 2 AND 4")
    report = await log.verify()
    assert [str(finding) for finding in report.findings] == [
        "positions 11-26: seals 2 to 4 are missing"
    ]


async def test_events_removed_together_with_their_seals_are_missed_by_the_next_seal(
    log: SealedLog,
) -> None:
    edit(
        log.url,
        "DELETE FROM log_seals WHERE number = 2",
        delete("notification_id BETWEEN 11 AND 15"),
    )
    report = await log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) in {("contradicted", 8), ("seal", 8)}
    assert {kind for kind, *_ in findings_of(report)} == {"seal", "contradicted"}


@pytest.mark.parametrize(
    "change",
    [
        "size = size + 1",
        "position = position - 1",
        "head = replace(head, '\"size\":21', '\"size\":22')",
        "head = head || ' '",
        "head = ''",
        "signature = set_byte(signature, 0, get_byte(signature, 0) # 1)",
        "signature = ''",
        "runs = '{17,20,22,25}'",
        "runs = '{{17,20},{23,26}}'",
        "runs = '{}'",
        "leaves = set_byte(leaves, 40, get_byte(leaves, 40) # 1)",
        "leaves = ''",
        "peaks = set_byte(peaks, 0, get_byte(peaks, 0) # 1)",
        "peaks = peaks || peaks",
        "number = 40",
    ],
)
async def test_an_altered_seal_is_named_by_the_first_position_under_it(
    log: SealedLog, change: str
) -> None:
    edit(log.url, f"UPDATE log_seals SET {change} WHERE number = 4")
    report = await log.verify()
    assert report.first is not None
    assert {kind for kind, *_ in findings_of(report)} == {"seal"}
    assert report.first.position == 17
    assert "seal 4" in report.first.text


@pytest.mark.parametrize("column", ["head", "signature", "runs", "leaves", "peaks", "size"])
async def test_a_seal_of_which_a_column_was_emptied_is_named(log: SealedLog, column: str) -> None:
    edit(
        log.url,
        f"ALTER TABLE log_seals ALTER COLUMN {column} DROP NOT NULL",
        f"UPDATE log_seals SET {column} = NULL WHERE number = 2",
    )
    report = await log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("seal", 11)


async def test_an_event_altered_together_with_its_hash_in_the_seal_is_found_by_the_root(
    log: SealedLog,
) -> None:
    edit(
        log.url,
        update(18, "actor = 'x'"),
        "UPDATE log_seals SET leaves = set_byte(leaves, 32, get_byte(leaves, 32) # 1)"
        " WHERE number = 4",
    )
    report = await log.verify()
    assert report.first is not None
    assert report.first.kind in {"contradicted", "seal"}
    assert 17 <= report.first.position <= 18 <= report.first.until <= 26
    assert {"contradicted", "seal"} == {kind for kind, *_ in findings_of(report)}


async def test_copies_of_seals_are_no_seals(log: SealedLog) -> None:
    edit(
        log.url,
        "INSERT INTO log_seals"
        " SELECT 7, size, 34, head, signature, runs, leaves, peaks FROM log_seals"
        " WHERE number = 6",
    )
    report = await log.verify()
    assert [finding.text for finding in report.findings] == [
        "the row of seal 7 was signed as seal 6"
    ]


async def test_seals_of_another_log_are_no_seals(log: SealedLog) -> None:
    edit(log.url, "UPDATE log_identity SET id = gen_random_uuid()")
    report = await log.verify()
    assert len(report.findings) == 6
    assert "made for another log" in report.findings[0].text
    assert report.first is not None
    assert report.first.position == 1


async def test_a_log_without_any_seal_is_not_said_to_be_clean(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals")
    assert findings_of(await log.verify()) == [("seal", 1, 35)]
    kept = findings_of(await log.verify(log.how.head_file))
    assert ("seal", 1, LAST_SEALED) in kept


async def test_all_seals_rewritten_with_another_key_are_not_believed(
    log: SealedLog, tmp_path: Path
) -> None:
    edit(log.url, update(14, "actor = 'x'"))
    await rewrite_seals(log.url, new_keys(tmp_path), log.keys)
    report = await log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("seal", 1)
    assert [finding.text for finding in report.findings] == [
        f"seal {number}: it is not signed by a key that is trusted" for number in range(1, 7)
    ]


async def test_more_findings_than_anybody_reads_are_counted(
    database_url: str, tmp_path: Path
) -> None:
    log = SealedLog(database_url, tmp_path)
    log.append(1_500)
    await log.seal()
    edit(log.url, "UPDATE jobs_events SET actor = 'x' WHERE notification_id > 300")
    report = await log.verify()
    assert (len(report.findings), report.not_reported) == (100, 1_100)
    assert report.first is not None
    assert report.first.position == 301
