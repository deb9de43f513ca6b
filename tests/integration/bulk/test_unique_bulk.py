"""Bulk operations on jobs whose runs are unique: what is refused, and what gives way."""

from collections.abc import Iterable
from uuid import UUID

import pytest

from domain.identifiers import UniqueSlot
from domain.json_values import JsonObject
from tests.integration.bulk.scene import Scene
from tests.support.logs import query, registered

RUNS_OF_UNIQUE = "SELECT id FROM job_runs WHERE slug = 'unique'"

STORIES = """
    SELECT DISTINCT correlation_id FROM jobs_events WHERE originator_id = ANY(%s)
"""

SCHEMA: JsonObject = {"properties": {"k": {}}}


@pytest.mark.parametrize(
    ("how", "refused", "statuses"),
    [("keep", 3, ["pending"]), ("replace", 0, ["canceled"] * 3 + ["pending"])],
)
async def test_runs_that_are_unique_are_refused_or_replace_each_other(
    scene: Scene, how: str, refused: int, statuses: list[str]
) -> None:
    unique: JsonObject = {"key": ["k"], "until": "end", "onConflict": how}
    await registered(scene.part.jobs, how, parameters_schema=SCHEMA, unique_runs=unique)
    for _ in range(4):
        await scene.launch(how, parameters={"k": 1})
        await scene.end()
    row = await scene.finish(await scene.start("rerun", f"job={how}"))
    assert (row["done"], row["refused"]) == (4 - refused, refused)
    select = "SELECT status FROM job_runs WHERE slug = %s ORDER BY created_position"
    of_the_repeats = [status for (status,) in query(scene.part.url, select, how)]
    assert of_the_repeats == ["succeeded"] * 4 + statuses
    if refused:
        assert "run_is_there" in str(row["refusals"])


async def test_what_gives_way_to_new_runs_is_no_part_of_their_operation(scene: Scene) -> None:
    unique: JsonObject = {"key": ["k"], "until": "end", "onConflict": "replace"}
    jobs = scene.part.jobs
    await registered(jobs, "unique", parameters_schema=SCHEMA, unique_runs=unique)
    for value in range(3):
        await scene.launch("unique", parameters={"k": value})
        await scene.end()
    for value in range(3):
        await scene.launch("unique", parameters={"k": value}, delay_ms=3_600_000)
    operation_id = await scene.start("rerun", "job=unique")
    assert (await scene.finish(operation_id))["done"] == 3
    of_operation = query(scene.part.url, STORIES, [operation_id])
    assert len(of_operation) == 1
    new = f"{RUNS_OF_UNIQUE} AND status = 'pending'"
    new_ids = [run_id for (run_id,) in query(scene.part.url, new)]
    assert len(new_ids) == 3
    assert query(scene.part.url, STORIES, new_ids) == of_operation
    replaced = f"{RUNS_OF_UNIQUE} AND status = 'canceled'"
    replaced_ids = [run_id for (run_id,) in query(scene.part.url, replaced)]
    assert len(query(scene.part.url, STORIES, replaced_ids)) == 3


async def ended_beside_one_that_starts_just_now(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a run end, and its like start once somebody has been told that it is pending."""
    unique: JsonObject = {"key": ["k"], "until": "end", "onConflict": "replace"}
    jobs = scene.part.jobs
    await registered(jobs, "unique", parameters_schema=SCHEMA, unique_runs=unique)
    await scene.launch("unique", parameters={"k": 1})
    await scene.end()
    await scene.launch("unique", parameters={"k": 1})
    holders_of = jobs.log_port.holders_of

    async def told_and_started(slots: Iterable[UniqueSlot]) -> dict[UniqueSlot, tuple[UUID, bool]]:
        holders = await holders_of(slots)
        await scene.part.executions.claim("w", 1)
        return holders

    monkeypatch.setattr(jobs.log_port, "holders_of", told_and_started)


async def test_a_run_that_starts_before_it_could_give_way_is_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended_beside_one_that_starts_just_now(scene, monkeypatch)
    operation_id = await scene.start("rerun", "job=unique")
    row = await scene.finish(operation_id)
    assert (row["status"], row["done"], row["refused"]) == ("completed", 0, 1)
    assert "run_is_there" in str(row["refusals"])


async def test_a_preview_says_nothing_of_what_changes_hands_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended_beside_one_that_starts_just_now(scene, monkeypatch)
    preview = await scene.preview("rerun", "job=unique")
    assert (preview.selection.total, preview.refused) == (1, [])
    preview = await scene.preview("rerun", "job=unique")
    assert [one["code"] for one in preview.refused] == ["run_is_there"]
