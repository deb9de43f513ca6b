"""Erasing somebody: what is gone, what stays, and what it means for runs."""

from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest

from domain.commands.schedules import Schedules
from domain.errors import ConflictError, InvalidInputError, NotFoundError
from domain.jobs.launching import Launch, Overrides
from domain.jobs.run_events import Report
from domain.schedules.calendar import ScheduleSpec
from eventlog import personal as personal_statements
from eventlog.history.as_of import open_past
from eventlog.rebuild import snapshots
from tests.support.logs import TESTER, Parts, query
from tests.support.sample_logs.personal import ALICE, GIVEN, GONE, SCHEMA, SECRETS, places_of
from tests.support.sample_logs.shops import Shop


async def test_without_marked_values_there_is_no_key_and_no_other_shape(
    shop: Shop, part: Parts
) -> None:
    await part.jobs.launch("job", Launch(parameters={"day": "monday", "friend": None}), TESTER)
    assert not shop.key.exists()
    assert query(shop.url, "SELECT count(*) FROM subject_keys") == [(0,)]
    [(state,)] = query(shop.url, "SELECT state FROM jobs_events WHERE topic = 'job_run.requested'")
    assert set(orjson.loads(state)) == {
        "originator_topic",
        "timestamp",
        "definition_id",
        "definition_version",
        "slug",
        "entry_point",
        "parameters",
        "context",
        "timeout_ms",
        "max_attempts",
        "retry_policy",
        "priority",
        "scheduled_at",
        "start_deadline_at",
        "concurrency_value",
        "idempotency_key",
        "request_digest",
        "requested_by",
    }


async def test_what_a_run_had_is_in_no_table_any_more(shop: Shop, part: Parts) -> None:
    run_id = await shop.ended(part)
    assert places_of(shop.url, *SECRETS) == {"job_runs.parameters"}
    erasure = await part.subjects.erase(ALICE, "asked", TESTER)
    assert (erasure.row["runs"], erasure.row["reason"]) == (1, "asked")
    assert places_of(shop.url, *SECRETS) == set()
    await shop.verify()
    assert (await shop.rebuild()).repaired == 0
    assert (await part.jobs.run(run_id)).parameters == GONE
    with pytest.raises(NotFoundError):
        await part.subjects.erase(ALICE, None, TESTER)
    assert shop.parameters() == [GONE]


async def test_the_past_shows_what_the_present_may(shop: Shop) -> None:
    async def seen(part: Parts, run_id: UUID, position: int) -> Any:
        async with (
            part.pool.connection() as connection,
            open_past(connection, part.files, position) as past,
        ):
            row = await past.run(run_id)
            return row and row["parameters"]

    async with shop.parts() as part:
        run_id = await shop.ended(part)
        assert [await seen(part, run_id, position) for position in (2, 3)] == [GIVEN, GIVEN]
        await part.subjects.erase(ALICE, None, TESTER)
        assert [await seen(part, run_id, position) for position in (2, 3, 4)] == [GONE, GONE, GONE]


async def test_who_comes_back_has_another_key(shop: Shop, part: Parts) -> None:
    await shop.ended(part)
    first = await part.subjects.erase(ALICE, None, TESTER)
    await shop.ended(part)
    assert shop.parameters() == [GONE, GIVEN]
    second = await part.subjects.erase(ALICE, None, TESTER)
    assert first.row["key_id"] != second.row["key_id"]
    await shop.verify()
    assert shop.parameters() == [GONE, GONE]


async def test_each_subject_of_a_run_has_its_own_values(shop: Shop, part: Parts) -> None:
    await shop.ended(part, friend="bo")
    await shop.ended(part, customerId="bo")
    assert (await part.subjects.erase("bo", None, TESTER)).row["runs"] == 2
    assert shop.parameters() == [{**GIVEN, "friend": "[erased]"}, GONE]
    await shop.verify()
    await part.subjects.erase(ALICE, None, TESTER)
    assert shop.parameters() == [{**GONE, "friend": "[erased]"}, GONE]
    await shop.verify()


async def test_while_a_run_needs_the_data_nothing_is_erased(shop: Shop, part: Parts) -> None:
    run_id = (await part.jobs.launch("job", Launch(parameters=GIVEN), TESTER)).run_id
    before = query(shop.url, "SELECT max(notification_id) FROM jobs_events")
    with pytest.raises(ConflictError, match=str(run_id)) as refused:
        await part.subjects.erase(ALICE, None, TESTER)
    assert refused.value.code == "subject_has_unfinished_runs"
    [claim] = await part.executions.claim(await part.worker("w"), 1)
    assert claim.run.parameters == GIVEN
    with pytest.raises(ConflictError):
        await part.subjects.erase(ALICE, None, TESTER)
    assert query(shop.url, "SELECT count(*) FROM subject_keys") == [(1,)]
    await part.executions.succeed(run_id, claim.holder, None, Report())
    await part.subjects.erase(ALICE, None, TESTER)
    assert before == [(2,)]


async def test_a_retry_keeps_the_data_encrypted_and_of_an_erased_run_is_refused(
    shop: Shop, part: Parts
) -> None:
    run_id = await shop.ended(part)
    # Today's job knows of no personal data: what was encrypted stays so, and is erased
    # along.
    await part.jobs.revise_job("job", {"parameters_schema": {}}, None, TESTER)
    again = await part.jobs.retry(run_id, TESTER)
    await part.jobs.cancel(again.run_id, None, TESTER)
    once_more = await part.jobs.retry(again.run_id, TESTER)
    await part.jobs.cancel(once_more.run_id, None, TESTER)
    assert shop.parameters() == [GIVEN] * 3
    assert places_of(shop.url, *SECRETS) == {"job_runs.parameters"}
    assert (await part.subjects.erase(ALICE, None, TESTER)).row["runs"] == 3
    assert shop.parameters() == [GONE] * 3
    for one in (run_id, once_more.run_id):
        with pytest.raises(ConflictError) as refused:
            await part.jobs.retry(one, TESTER)
        assert refused.value.code == "run_erased"
    await shop.verify()


async def test_an_erased_run_is_retried_with_other_parameters_which_are_encrypted(
    shop: Shop, part: Parts
) -> None:
    run_id = await shop.ended(part)
    await part.subjects.erase(ALICE, None, TESTER)
    others: dict[str, Any] = {
        "customerId": "clara-51b2e7",
        "address": {"street": "Oak Lane 51b2e7"},
    }
    overrides = Overrides(Launch(parameters=others), {"parameters"})
    again = await part.jobs.retry(run_id, TESTER, overrides=overrides)
    assert shop.parameters() == [GONE, others]
    assert places_of(shop.url, "Oak Lane 51b2e7") == {"job_runs.parameters"}
    await part.jobs.cancel(again.run_id, None, TESTER)
    await part.subjects.erase("clara-51b2e7", None, TESTER)
    assert shop.parameters() == [GONE, dict.fromkeys(others, "[erased]")]
    await shop.verify()


async def test_a_key_of_idempotency_outlives_the_data_but_leads_nowhere(
    shop: Shop, part: Parts
) -> None:
    launch = Launch(parameters=GIVEN, idempotency_key="once", body={"parameters": GIVEN})
    first = await part.jobs.launch("job", launch, TESTER)
    assert (await part.jobs.launch("job", launch, TESTER)).run_id == first.run_id
    [(state,)] = query(shop.url, "SELECT state FROM jobs_events WHERE topic = 'job_run.requested'")
    assert launch.digest.encode() not in state
    await part.jobs.cancel(first.run_id, None, TESTER)
    await part.subjects.erase(ALICE, None, TESTER)
    with pytest.raises(ConflictError, match="erased") as refused:
        await part.jobs.launch("job", launch, TESTER)
    assert refused.value.code == "idempotency_key_reused"
    assert len(shop.parameters()) == 1


async def test_a_missing_row_is_rebuilt_as_erased(shop: Shop, part: Parts) -> None:
    await shop.ended(part)
    await shop.ended(part, customerId="bo")
    query(shop.url, "DELETE FROM job_runs RETURNING 1")
    await part.subjects.erase(ALICE, None, TESTER)
    assert (await shop.rebuild()).repaired == 2
    await shop.verify()
    assert shop.parameters() == [GONE, {**GIVEN, "customerId": "bo"}]


FILL = """
    INSERT INTO job_runs SELECT filled.*
    FROM job_runs AS run, generate_series(1, 20000) AS n,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(), 'created_position', 1000 + n,
        'status', (ARRAY['pending', 'succeeded'])[1 + n % 2],
        'personal', jsonb_build_object('key-' || n / 10, '["customerId"]'::jsonb))) AS filled
"""


async def test_an_erasure_finds_its_rows_by_the_index(shop: Shop, part: Parts) -> None:
    await shop.ended(part)
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(FILL)
        connection.execute("VACUUM (ANALYZE) job_runs")
        for statement in (personal_statements.ERASE_ROWS, personal_statements.UNFINISHED_RUNS_OF):
            values = {"key_id": "key-7", "erased": "[erased]"}
            plan = str(connection.execute(f"EXPLAIN {statement}".encode(), values).fetchall())
            assert "job_runs_personal" in plan
            assert "Seq Scan" not in plan


async def test_more_keys_than_fit_at_once_are_read_one_by_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "KEYS_AT_ONCE", 2)

    async with shop.parts() as part:
        for number in range(6):
            await shop.ended(part, customerId=f"c{number}")
        await part.subjects.erase("c1", None, TESTER)
        await shop.verify()
        query(shop.url, "DELETE FROM job_runs RETURNING 1")
        assert (await shop.rebuild()).repaired == 6
        await shop.verify()
    assert sorted(one["customerId"] for one in shop.parameters()) == [
        "[erased]",
        "c0",
        "c2",
        "c3",
        "c4",
        "c5",
    ]


async def _scheduled(part: Parts, slug: str, **parameters: Any) -> None:
    spec = ScheduleSpec(job="job", every_ms=3_600_000, parameters=parameters)
    await Schedules(part.jobs).create(slug, spec, TESTER)


def _schedules(shop: Shop) -> dict[str, Any]:
    return dict(query(shop.url, "SELECT id, parameters FROM schedules"))


@pytest.mark.parametrize("launched", [False, True])
async def test_schedules_from_before_the_mark_lose_the_values_with_their_subject(
    shop: Shop, part: Parts, *, launched: bool
) -> None:
    await part.jobs.revise_job("job", {"parameters_schema": {}}, None, TESTER)
    await _scheduled(part, "alices", **GIVEN)
    await _scheduled(part, "deleted", **GIVEN)
    await Schedules(part.jobs).delete("deleted", None, TESTER)
    await _scheduled(part, "bos", **GIVEN | {"customerId": "bo"})
    await part.jobs.revise_job("job", {"parameters_schema": SCHEMA}, None, TESTER)
    if launched:
        await shop.ended(part)
    assert "schedules.parameters" in places_of(shop.url, *SECRETS)
    await part.subjects.erase(ALICE, None, TESTER)
    assert _schedules(shop) == {
        "alices": GONE,
        "deleted": GONE,
        "bos": GIVEN | {"customerId": "bo"},
    }
    await shop.verify()
    with pytest.raises(NotFoundError):
        await part.subjects.erase(ALICE, None, TESTER)
    with pytest.raises(ConflictError) as refused:
        await Schedules(part.jobs).trigger("alices", TESTER)
    assert refused.value.code == "invalid_parameters"


async def test_a_schedule_can_be_emptied_of_what_its_job_has_marked_since(
    shop: Shop, part: Parts
) -> None:
    schedules = Schedules(part.jobs)
    await part.jobs.revise_job("job", {"parameters_schema": {}}, None, TESTER)
    await _scheduled(part, "letters", **GIVEN)
    await part.jobs.revise_job("job", {"parameters_schema": SCHEMA}, None, TESTER)
    with pytest.raises(InvalidInputError) as refused:
        await schedules.revise("letters", {"overlap": "allow_all"}, TESTER)
    assert {issue.path for issue in refused.value.issues} == {
        "/parameters/customerId",
        "/parameters/address",
    }
    await schedules.revise("letters", {"parameters": {"day": "monday"}}, TESTER)
    launched = await schedules.trigger("letters", TESTER)
    assert launched.row is not None
    assert launched.row["parameters"] == {"day": "monday"}
    assert places_of(shop.url, ALICE) == {"jobs_events.state"}, "as it was scheduled"
