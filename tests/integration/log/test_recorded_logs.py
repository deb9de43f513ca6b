"""Logs of every version, read with today's code into today's tables and aggregates."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from eventsourcing.domain import Aggregate

from catalog.build import Build
from catalog.repository import Repository
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch
from domain.jobs.run import JobRun
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from migrations import runner
from projections.tables import TABLES
from tests.recorded_logs import files, record
from tests.support.decisive import decisive
from tests.support.logs import TESTER, Parts, parts
from tests.support.slow import slow
from tests.unit.domain.test_topics import CLASSES

RECORDINGS = files.recordings()

OLDEST, NEWEST = "0.1.0.dev1", "0.1.0"

BETWEEN = [path for path in RECORDINGS if path.name not in {OLDEST, NEWEST}]


async def check_equal_to_log(url: str) -> None:
    differences: list[Difference] = []
    checked = await verify(Database(url), TABLES, differences.append, lambda *_: None)
    assert differences == []
    assert [one.table for one in checked] == [table.name for table in TABLES]


async def check_equal_to_history(
    part: Parts, kind: type[Aggregate], folded: Mapping[UUID, Aggregate | None]
) -> None:
    ids = [key for key, one in folded.items() if isinstance(one, kind)]
    states = await part.jobs.log_port.states_of(vars(kind)["TOPIC"], ids)
    assert all(state.row is not None for state in states.values())
    of_rows = await part.jobs.load(kind, ids)
    assert ids == list(of_rows)
    for key in ids:
        assert decisive(of_rows[key]) == decisive(folded[key])


@pytest.mark.parametrize(
    "recording",
    [files.HERE / OLDEST, files.HERE / NEWEST, *map(slow, BETWEEN)],
    ids=lambda path: path.name,
)
async def test_a_recorded_log_gives_the_rows_that_it_promises_and_its_aggregates_go_on(
    database_url: str, recording: Path
) -> None:
    rows = await record.fold(database_url, recording)
    promised = files.recorded_rows(recording)
    assert rows == sum(map(len, promised.values())) > 0
    for name, stored in (await files.rows_in(database_url)).items():
        assert stored == promised[name], (
            f"if this is meant, raise Table.version and run: {record.__name__} rows"
        )
    await check_equal_to_log(database_url)
    ids = {UUID(event["originator_id"]) for event in files.read_lines(recording / "events.jsonl")}

    async with parts(database_url) as part:
        loaded = {one: await part.jobs.replay(one) for one in ids}
        assert None not in loaded.values()
        for kind in (JobDefinition, JobRun, Repository, Build):
            await check_equal_to_history(part, kind, loaded)
        slug = next(
            one.slug
            for one in loaded.values()
            if isinstance(one, JobDefinition) and not one.is_deleted
        )
        await part.jobs.revise_job(slug, {"name": "Revised"}, None, TESTER)
        await part.jobs.launch(slug, Launch(parameters={"repositoryId": "shop"}), TESTER)
        for run in (
            one for one in loaded.values() if isinstance(one, JobRun) and one.status == "pending"
        ):
            await part.jobs.cancel(run.id, None, TESTER)
    await check_equal_to_log(database_url)


async def test_recorded_rows_change_only_with_the_version_of_their_table(
    empty_database_url: str, database_url: str, tmp_path: Path
) -> None:
    recording = tmp_path / NEWEST
    shutil.copytree(files.HERE / NEWEST, recording)
    lines = list(files.read_lines(recording / "rows.jsonl"))
    changed = [line for line in lines if line["table"] == "builds"]
    changed[0]["row"]["git_branch"] = "as it was before"
    files.write_lines(recording / "rows.jsonl", iter(lines))
    with pytest.raises(
        SystemExit, match=r"the fold of builds has changed, so raise its Table\.version first"
    ):
        await record.record_rows(database_url, recording)
    for line in changed:
        line["version"] = 0
    files.write_lines(recording / "rows.jsonl", iter(lines))
    runner.upgrade(empty_database_url)
    await record.record_rows(empty_database_url, recording)
    assert (recording / "rows.jsonl").read_bytes() == (
        files.HERE / NEWEST / "rows.jsonl"
    ).read_bytes()


def test_the_oldest_recording_has_an_event_in_its_first_shape() -> None:
    events = files.read_lines(files.HERE / OLDEST / "events.jsonl")
    [state] = [
        orjson.loads(event["state"])
        for event in events
        if event["topic"] == "repository.ingestion_succeeded"
    ]
    assert "preview_tiles" not in state
    assert "class_version" not in state
    assert Repository.IngestionSucceeded.class_version == 2
    assert [
        row["preview_tiles"] for row in files.recorded_rows(files.HERE / OLDEST)["repositories"]
    ] == [[], []]


def test_the_recordings_together_have_every_kind_of_event() -> None:
    recorded = {
        event["topic"] for one in RECORDINGS for event in files.read_lines(one / "events.jsonl")
    }
    assert recorded == set(CLASSES), (
        "extend the scenario and record it: see docs/evolving-events.md"
    )
