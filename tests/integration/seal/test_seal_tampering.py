"""Every edit of a sealed log behind the service's back is found, with the first bad position."""

import pytest

from tests.support.sample_logs.seals import SealedLog, edit
from tests.support.sample_logs.tampering import (
    LAST_SEALED,
    delete,
    findings_of,
    insert,
    swap,
    update,
)


async def test_an_untouched_log_is_clean(log: SealedLog) -> None:
    report = await log.verify(log.how.head_file)
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
async def test_an_altered_event_is_named(log: SealedLog, change: str) -> None:
    edit(log.url, update(24, change))
    assert findings_of(await log.verify()) == [("altered", 24, 24)]


@pytest.mark.parametrize("position", [1, 7, 11, 16, 17, 26, LAST_SEALED])
async def test_an_altered_event_is_named_wherever_it_is_in_its_seal(
    log: SealedLog, position: int
) -> None:
    edit(log.url, update(position, "actor = 'x'"))
    assert findings_of(await log.verify(log.how.head_file)) == [("altered", position, position)]


async def test_every_altered_event_is_named_the_first_one_first(log: SealedLog) -> None:
    edit(log.url, update(31, "actor = 'x'"), update(5, "actor = 'x'"), update(14, "topic = 'x'"))
    report = await log.verify()
    assert findings_of(report) == [("altered", 5, 5), ("altered", 14, 14), ("altered", 31, 31)]
    assert report.first == report.findings[0]


@pytest.mark.parametrize("position", [1, 13, 16, 26, LAST_SEALED])
async def test_a_removed_event_is_named(log: SealedLog, position: int) -> None:
    edit(log.url, delete(f"notification_id = {position}"))
    assert findings_of(await log.verify()) == [("removed", position, position)]


async def test_all_removed_events_are_named(log: SealedLog) -> None:
    edit(log.url, delete("notification_id > 29"))
    assert findings_of(await log.verify()) == [
        ("removed", position, position) for position in (31, 32, 33)
    ]


async def test_an_emptied_log_is_noticed(log: SealedLog) -> None:
    edit(log.url, delete("true"))
    report = await log.verify()
    assert (report.events, len(report.findings)) == (0, 27)
    assert report.first is not None
    assert (report.first.kind, report.first.position) == ("removed", 1)


@pytest.mark.parametrize("position", [-5, 0, 8, 10, 22, 30])
async def test_an_event_inserted_into_a_gap_is_named(log: SealedLog, position: int) -> None:
    edit(log.url, insert(position))
    assert findings_of(await log.verify()) == [("inserted", position, position)]


async def test_an_event_without_a_position_is_noticed(log: SealedLog) -> None:
    edit(
        log.url,
        "ALTER TABLE jobs_events ALTER COLUMN notification_id DROP NOT NULL",
        insert(30).replace("VALUES (30", "VALUES (NULL"),
    )
    assert findings_of(await log.verify()) == [("inserted", 0, 0)]


async def test_a_second_event_at_one_position_is_noticed(log: SealedLog) -> None:
    edit(log.url, "DROP INDEX jobs_events_notification_id_idx", insert(20))
    findings = findings_of(await log.verify())
    # Which of the two the server returns first is its own business.
    assert findings in ([("inserted", 20, 20)], [("altered", 20, 20), ("inserted", 20, 20)])


@pytest.mark.parametrize(("one", "other"), [(13, 14), (3, 25), (1, LAST_SEALED)])
async def test_two_events_that_changed_places_are_named(
    log: SealedLog, one: int, other: int
) -> None:
    edit(log.url, *swap(one, other))
    assert findings_of(await log.verify()) == [("altered", one, one), ("altered", other, other)]


async def test_an_event_moved_into_a_gap_is_named(log: SealedLog) -> None:
    edit(log.url, update(14, "notification_id = 21"))
    assert findings_of(await log.verify()) == [("removed", 14, 14), ("inserted", 21, 21)]
