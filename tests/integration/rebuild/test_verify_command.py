"""`apphub-jobs verify`: what it tells people and programs."""

from typing import Any

import orjson

from projections import run_statistics
from projections.tables import TABLES
from tests.support.logs import query
from tests.support.processes import Process, started


def run_command(url: str, tmp_path: Any, *arguments: str) -> Process:
    with started(
        *arguments, "--data-dir", str(tmp_path / "data"), APPHUB_DATABASE_URL=url
    ) as process:
        process.popen.wait(60)
    return process


NAMES = [*(table.name for table in TABLES), run_statistics.TABLE]


def test_the_command_tells_people_and_programs_and_exits_with_1(
    filled_url: str, tmp_path: Any
) -> None:
    clean = run_command(filled_url, tmp_path, "verify")
    assert clean.popen.returncode == 0
    assert [line.partition(":")[0] for line in clean.lines] == NAMES
    assert all(line.endswith(": equal to the log") for line in clean.lines)
    [(key,)] = query(
        filled_url,
        "UPDATE job_definitions SET name = 'other', metadata = NULL"
        " WHERE slug = 'Report' RETURNING id::text",
    )
    done = run_command(filled_url, tmp_path, "verify", "job_definitions")
    assert done.popen.returncode == 1
    text = "\n".join(done.lines)
    assert f"job_definitions {key}: differs" in text
    assert "name: expected 'Daily report', found 'other'" in text
    assert """metadata: expected '{"team": "data"}', found NULL""" in text
    assert "events: 3 job_definition.registered, 4 job_definition.revised, " in text
    assert "apphub-jobs projections rebuild job_definitions" in text
    machine = run_command(filled_url, tmp_path, "verify", "--json")
    assert machine.popen.returncode == 1
    difference, *tables = map(orjson.loads, machine.lines)
    assert difference == {
        "table": "job_definitions",
        "key": key,
        "kind": "differs",
        "columns": {
            "name": {"expected": "Daily report", "found": "other"},
            "metadata": {"expected": '{"team": "data"}', "found": None},
        },
        "events": [
            {"position": 3, "type": "job_definition.registered"},
            {"position": 4, "type": "job_definition.revised"},
            {"position": 5, "type": "job_definition.paused"},
            {"position": 6, "type": "job_definition.resumed"},
            {"position": 7, "type": "job_definition.revised"},
        ],
    }
    assert [(one["kind"], one["table"], one["differences"]) for one in tables] == [
        ("table", name, int(name == "job_definitions")) for name in NAMES
    ]
    assert run_command(filled_url, tmp_path, "verify", "nonsense").popen.returncode == 2


def test_verify_migrates_nothing(empty_database_url: str, tmp_path: Any) -> None:
    refused = run_command(empty_database_url, tmp_path, "verify")
    assert refused.popen.returncode == 1
    assert "run: apphub-jobs migrate" in refused.errors[-1]
    assert query(
        empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    ) == [(0,)]
