"""Every edit of a sealed log by a superuser behind the service's back is found, with the first bad position."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from eventlog.seal_findings import Report
from tests.support import databases
from tests.support.seals import SealedLog, edit, keep, new_keys, restore, rewrite_seals, sealed_log

LAST_SEALED = 33


@pytest.fixture(scope="module")
def shared_log(database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedLog]:
    with databases.clone(database_server, databases.template(database_server, shared_dir)) as url:
        log = sealed_log(url, tmp_path_factory.mktemp("sealed"))
        keep(log)
        yield log


@pytest.fixture
def log(shared_log: SealedLog) -> SealedLog:
    """Return a sealed log as it was before any edit."""
    restore(shared_log)
    return shared_log


def _update(position: int, change: str) -> str:
    return f"UPDATE jobs_events SET {change} WHERE notification_id = {position}"


def _delete(where: str) -> str:
    return f"DELETE FROM jobs_events WHERE {where}"


def _insert(position: int) -> str:
    return f"""
        INSERT INTO jobs_events (notification_id, originator_id, originator_version, topic, state)
        VALUES ({position}, gen_random_uuid(), 1, 'job_run.canceled', '{{}}')
    """


def _swap(one: int, other: int) -> Sequence[str]:
    return (
        f"UPDATE jobs_events SET notification_id = -1 WHERE notification_id = {one}",
        f"UPDATE jobs_events SET notification_id = {one} WHERE notification_id = {other}",
        f"UPDATE jobs_events SET notification_id = {other} WHERE notification_id = -1",
    )


def _found(report: Report) -> list[tuple[str, int, int]]:
    return [(finding.kind, finding.position, finding.until) for finding in report.findings]


def test_an_untouched_log_is_clean(log: SealedLog) -> None:
    report = log.verify(log.how.head_file)
    assert report.clean
    assert (report.events, report.seals, report.unsealed, report.kept) == (29, 6, 2, 1)
    assert report.last is not None
    assert (report.last.head.position, report.last.head.size) == (LAST_SEALED, 27)


@pytest.mark.parametrize(
    "change",
    [
        "state = state || ' '::bytea",
        "state = convert_to(replace(convert_from(state, 'UTF8'), '\"w\"', '\"v\"'), 'UTF8')",
        "topic = 'job_run.canceled'",
        "actor = 'somebody else'",
        "actor = NULL",
        "actor = ''",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "recorded_at = 'infinity'",
        "correlation_id = gen_random_uuid()",
        "causation_id = NULL",
        "correlation_id = causation_id, causation_id = correlation_id",
        "originator_id = gen_random_uuid()",
        "originator_version = 2",
    ],
)
def test_an_altered_event_is_named(log: SealedLog, change: str) -> None:
    edit(log.url, _update(24, change))
    assert _found(log.verify()) == [("altered", 24, 24)]


@pytest.mark.parametrize("position", [1, 7, 11, 16, 17, 26, LAST_SEALED])
def test_an_altered_event_is_named_wherever_it_is_in_its_seal(log: SealedLog, position: int) -> None:
    edit(log.url, _update(position, "actor = 'x'"))
    assert _found(log.verify(log.how.head_file)) == [("altered", position, position)]


def test_every_altered_event_is_named_the_first_one_first(log: SealedLog) -> None:
    edit(log.url, _update(31, "actor = 'x'"), _update(5, "actor = 'x'"), _update(14, "topic = 'x'"))
    report = log.verify()
    assert _found(report) == [("altered", 5, 5), ("altered", 14, 14), ("altered", 31, 31)]
    assert report.first == report.findings[0]


@pytest.mark.parametrize("position", [1, 13, 16, 26, LAST_SEALED])
def test_a_removed_event_is_named(log: SealedLog, position: int) -> None:
    edit(log.url, _delete(f"notification_id = {position}"))
    assert _found(log.verify()) == [("removed", position, position)]


def test_all_removed_events_are_named(log: SealedLog) -> None:
    edit(log.url, _delete("notification_id > 29"))
    assert _found(log.verify()) == [("removed", position, position) for position in (31, 32, 33)]


def test_an_emptied_log_is_noticed(log: SealedLog) -> None:
    edit(log.url, _delete("true"))
    report = log.verify()
    assert (report.events, len(report.findings)) == (0, 27)
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("removed", 1)


@pytest.mark.parametrize("position", [-5, 0, 8, 10, 22, 30])
def test_an_event_inserted_into_a_gap_is_named(log: SealedLog, position: int) -> None:
    edit(log.url, _insert(position))
    assert _found(log.verify()) == [("inserted", position, position)]


def test_an_event_without_a_position_is_noticed(log: SealedLog) -> None:
    edit(
        log.url,
        "ALTER TABLE jobs_events ALTER COLUMN notification_id DROP NOT NULL",
        _insert(30).replace("VALUES (30", "VALUES (NULL"),
    )
    assert _found(log.verify()) == [("inserted", 0, 0)]


def test_a_second_event_at_one_position_is_noticed(log: SealedLog) -> None:
    edit(log.url, "DROP INDEX jobs_events_notification_id_idx", _insert(20))
    found = _found(log.verify())
    # Which of the two the server returns first is its own business.
    assert found in ([("inserted", 20, 20)], [("altered", 20, 20), ("inserted", 20, 20)])


@pytest.mark.parametrize(("one", "other"), [(13, 14), (3, 25), (1, LAST_SEALED)])
def test_two_events_that_changed_places_are_named(log: SealedLog, one: int, other: int) -> None:
    edit(log.url, *_swap(one, other))
    assert _found(log.verify()) == [("altered", one, one), ("altered", other, other)]


def test_an_event_moved_into_a_gap_is_named(log: SealedLog) -> None:
    edit(log.url, _update(14, "notification_id = 21"))
    assert _found(log.verify()) == [("removed", 14, 14), ("inserted", 21, 21)]


@pytest.mark.parametrize(("number", "first", "until"), [(1, 1, 10), (2, 11, 15), (4, 17, 26), (5, 27, 30)])
def test_a_removed_seal_is_named_and_its_events_are_still_checked(
    log: SealedLog, number: int, first: int, until: int
) -> None:
    edit(log.url, f"DELETE FROM log_seals WHERE number = {number}")
    report = log.verify()
    assert _found(report) == [("seal", first, until)]
    assert report.findings[0].text == f"seal {number} is missing"
    edit(log.url, _update(first + 1 if number != 3 else first, "actor = 'x'"))
    again = log.verify()
    assert again.first is not None
    assert again.first.position <= first + 1 <= again.first.until <= until
    assert {kind for kind, *_ in _found(again)} == {"seal", "contradicted"}


def test_removed_seals_are_named_together(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number BETWEEN 2 AND 4")
    report = log.verify()
    assert [str(finding) for finding in report.findings] == ["positions 11-26: seals 2 to 4 are missing"]


def test_events_removed_together_with_their_seals_are_missed_by_the_next_seal(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number = 2", _delete("notification_id BETWEEN 11 AND 15"))
    report = log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) in {("contradicted", 8), ("seal", 8)}
    assert {kind for kind, *_ in _found(report)} == {"seal", "contradicted"}


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
def test_an_altered_seal_is_named_by_the_first_position_under_it(log: SealedLog, change: str) -> None:
    edit(log.url, f"UPDATE log_seals SET {change} WHERE number = 4")
    report = log.verify()
    assert report.first is not None
    assert {kind for kind, *_ in _found(report)} == {"seal"}
    assert report.first.position == 17
    assert "seal 4" in report.first.text


@pytest.mark.parametrize("column", ["head", "signature", "runs", "leaves", "peaks", "size"])
def test_a_seal_of_which_a_column_was_emptied_is_named(log: SealedLog, column: str) -> None:
    edit(
        log.url,
        f"ALTER TABLE log_seals ALTER COLUMN {column} DROP NOT NULL",
        f"UPDATE log_seals SET {column} = NULL WHERE number = 2",
    )
    report = log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("seal", 11)


def test_an_event_altered_together_with_its_hash_in_the_seal_is_found_by_the_root(log: SealedLog) -> None:
    edit(
        log.url,
        _update(18, "actor = 'x'"),
        "UPDATE log_seals SET leaves = set_byte(leaves, 32, get_byte(leaves, 32) # 1) WHERE number = 4",
    )
    report = log.verify()
    assert report.first is not None
    assert report.first.kind in {"contradicted", "seal"}
    assert 17 <= report.first.position <= 18 <= report.first.until <= 26
    assert {"contradicted", "seal"} == {kind for kind, *_ in _found(report)}


def test_copies_of_seals_are_no_seals(log: SealedLog) -> None:
    edit(
        log.url,
        "INSERT INTO log_seals SELECT 7, size, 34, head, signature, runs, leaves, peaks FROM log_seals"
        " WHERE number = 6",
    )
    report = log.verify()
    assert [finding.text for finding in report.findings] == ["what stands as seal 7 was signed as seal 6"]


def test_seals_of_another_log_are_no_seals(log: SealedLog) -> None:
    edit(log.url, "UPDATE log_identity SET id = gen_random_uuid()")
    report = log.verify()
    assert len(report.findings) == 6
    assert "made for another log" in report.findings[0].text
    assert report.first is not None
    assert report.first.position == 1


def test_a_log_without_any_seal_is_not_said_to_be_clean(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals")
    assert _found(log.verify()) == [("seal", 1, 35)]
    kept = _found(log.verify(log.how.head_file))
    assert ("seal", 1, LAST_SEALED) in kept


def test_the_last_seals_removed_with_their_events_are_missed_by_the_head_that_was_kept(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number > 5", _delete("notification_id > 29"))
    assert log.verify().clean, "this is what a kept head is for"
    # The kept head names the seal before it, which is still there: so it is known where the log was cut.
    assert _found(log.verify(log.how.head_file)) == [("removed", 30, LAST_SEALED)]
    edit(log.url, "DELETE FROM log_seals WHERE number > 4", _delete("notification_id > 26"))
    assert log.verify().clean
    [(kind, first, until)] = _found(log.verify(log.how.head_file))
    assert (kind, until) == ("removed", LAST_SEALED)
    assert 17 < first <= 27


def test_the_last_seal_removed_without_its_events_is_missed_by_the_head_that_was_kept(log: SealedLog) -> None:
    edit(log.url, "DELETE FROM log_seals WHERE number = 6")
    report = log.verify(log.how.head_file)
    assert _found(report) == [("seal", 30, LAST_SEALED)]
    assert "no longer among the log's seals" in report.findings[0].text


def test_all_seals_rewritten_with_another_key_are_not_believed(log: SealedLog, tmp_path: Path) -> None:
    edit(log.url, _update(14, "actor = 'x'"))
    rewrite_seals(log.url, new_keys(tmp_path), log.keys)
    report = log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("seal", 1)
    assert [finding.text for finding in report.findings] == [
        f"seal {number}: it is not signed by a key that is trusted" for number in range(1, 7)
    ]


def test_log_and_seals_rewritten_from_one_event_on_without_the_key_are_found_there(
    log: SealedLog, tmp_path: Path
) -> None:
    keys = log.keys
    edit(log.url, _update(18, "actor = 'x'"))
    rewrite_seals(log.url, new_keys(tmp_path), keys, first=4)
    report = log.verify()
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("seal", 17)
    assert report.seals == 3
    kept = log.verify(log.how.head_file)
    assert kept.first is not None
    assert kept.first.position <= 18 <= kept.first.until
    assert "contradicted" in {kind for kind, *_ in _found(kept)}


@pytest.mark.parametrize("position", [2, 7, 11, 16, 18, 26, 28, LAST_SEALED])
def test_log_and_seals_rewritten_with_the_key_contradict_heads_kept_elsewhere(
    log: SealedLog, position: int, tmp_path: Path
) -> None:
    late = log.export("late.json")
    edit(log.url, _update(position, "actor = 'x'"))
    rewrite_seals(log.url, log.keys, log.keys)
    assert log.verify().clean, "whoever has the key can do this; only a head kept elsewhere tells"
    report = log.verify(late)
    assert [kind for kind, *_ in _found(report)] == ["contradicted"]
    assert report.first is not None
    # 27 leaves: the peaks are those of 16, 8, 2 and 1 leaves.
    ranges = [(1, 19), (20, 29), (30, 32), (33, 33)]
    [expected] = [(first, until) for first, until in ranges if first <= position <= until]
    assert expected[0] <= report.first.position <= position <= report.first.until <= expected[1]


def test_a_rewrite_of_the_last_seal_alone_is_found_under_it(log: SealedLog) -> None:
    late = log.export("late.json")
    edit(log.url, _update(32, "actor = 'x'"))
    rewrite_seals(log.url, log.keys, log.keys, first=6)
    # Seal 5 still is the one that the kept head names as the one before it.
    assert _found(log.verify(late)) == [("contradicted", 30, 32)]


def test_heads_kept_at_several_times_narrow_down_where_a_log_was_rewritten(database_url: str, tmp_path: Path) -> None:
    log = SealedLog(database_url, tmp_path)
    kept = []
    for number in range(10):
        log.append(10)
        log.seal()
        kept.append(log.export(f"{number}.json"))
    edit(log.url, _update(47, "actor = 'x'"))
    rewrite_seals(log.url, log.keys, log.keys)
    together = tmp_path / "all.jsonl"
    together.write_bytes(b"".join(file.read_bytes() for file in reversed(kept)))
    report = log.verify(together)
    assert report.kept == 10
    assert report.first is not None
    assert (report.first.position, report.first.until) == (41, 48)


def test_seals_made_anew_over_an_untouched_log_are_told_from_it(log: SealedLog, tmp_path: Path) -> None:
    late = log.export("late.json")
    edit(log.url, "DELETE FROM log_seals")
    log.how.head_file.unlink()
    log.seal()
    assert log.verify().clean
    report = log.verify(late)
    assert [kind for kind, *_ in _found(report)] == ["seal"]


def test_a_log_put_in_the_place_of_another_is_told_by_the_head_that_was_kept(log: SealedLog, tmp_path: Path) -> None:
    late = log.export("late.json")
    edit(log.url, "DELETE FROM log_seals", _delete("true"), "UPDATE log_identity SET id = gen_random_uuid()")
    log.how.head_file.unlink()
    log.append(30)
    log.seal()
    assert log.verify().clean
    report = log.verify(late)
    assert [kind for kind, *_ in _found(report)] == ["contradicted"]
    assert "another log" in report.findings[0].text


def test_the_tail_that_is_not_sealed_yet_tells_nothing(log: SealedLog) -> None:
    """Documented in docs/tamper-evidence.md: between append and seal an edit leaves no trace."""
    edit(log.url, _update(34, "actor = 'x'"), _delete("notification_id = 35"))
    report = log.verify(log.how.head_file)
    assert (report.clean, report.unsealed) == (True, 1)


def test_more_findings_than_anybody_reads_are_counted(database_url: str, tmp_path: Path) -> None:
    log = SealedLog(database_url, tmp_path)
    log.append(1_500)
    log.seal()
    edit(log.url, "UPDATE jobs_events SET actor = 'x' WHERE notification_id > 300")
    report = log.verify()
    assert (len(report.findings), report.untold) == (100, 1_100)
    assert report.first is not None
    assert report.first.position == 301
