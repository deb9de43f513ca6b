"""`apphub-jobs sql`: reading the database as a role that can do nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest

from tests.support.processes import run_to_end, started, without_settings


def run_sql(*arguments: str, **environment: str) -> CompletedProcess[str]:
    """Run the command to its end."""
    return run_to_end("sql", *arguments, **environment)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the data directory of a service at work on its private database."""
    directory = tmp_path_factory.mktemp("service")
    with started("serve", "--port", "0", "--data-dir", str(directory)) as api:
        api.url()
        yield directory


def test_a_query_is_answered_and_nothing_can_be_written(data_dir: Path) -> None:
    options = ("--data-dir", str(data_dir))
    who = run_sql("SELECT current_user, session_user", "--csv", *options)
    assert who.stdout.splitlines()[1:] == ["apphub_jobs_reader,apphub_jobs_reader"]
    jobs = run_sql("SELECT slug FROM live_job_definitions ORDER BY slug", "--csv", *options)
    assert jobs.stdout.splitlines() == ["slug", "repository-build", "repository-ingest"]
    for statement in (
        "SET TRANSACTION READ WRITE; DELETE FROM job_definitions",
        "SET ROLE apphub_jobs",
        "SELECT * FROM subject_keys",
    ):
        refused = run_sql(statement, *options)
        assert refused.returncode == 1
        assert "permission denied" in refused.stderr


def test_a_file_of_reports_is_read_and_ends_at_its_first_mistake(data_dir: Path) -> None:
    reports = "SELECT 1 AS one;\nSELECT nothing;\nSELECT 2 AS two;\n"
    answer = subprocess.run(
        [sys.executable, "-m", "cli", "sql", "--csv", "--data-dir", str(data_dir)],
        env=without_settings(),
        input=reports,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 3
    assert answer.stdout.splitlines() == ["one", "1"]
    assert 'column "nothing" does not exist' in answer.stderr


def test_another_client_connects_by_what_is_printed(data_dir: Path) -> None:
    printed = run_sql("--connection", "--data-dir", str(data_dir))
    password = data_dir / "postgres.reader"
    assert str(password) in printed.stderr
    assert password.stat().st_mode & 0o777 == 0o600
    assert password.read_text() not in printed.stdout
    with psycopg.connect(printed.stdout, password=password.read_text()) as connection:
        count = connection.execute("SELECT count(*) FROM job_runs").fetchone()
    assert count == (0,)


def test_on_ones_own_server_the_owner_is_told_what_to_run(database_url: str) -> None:
    variables = {"APPHUB_DATABASE_URL": database_url}
    answer = run_sql("SELECT count(*) FROM job_runs", "--csv", **variables)
    if answer.returncode:
        # The role belongs to the server, which other tests share: the rights do not.
        _, _, needed = answer.stderr.partition("in this database:")
        statements = [line.strip() for line in needed.splitlines() if line.strip()]
        assert statements[0] == "CREATE ROLE apphub_jobs_reader NOLOGIN;"
        _run_as_owner(database_url, statements)
        answer = run_sql("SELECT count(*) FROM job_runs", "--csv", **variables)
    assert answer.stdout.splitlines() == ["count", "0"], answer.stderr
    refused = run_sql("DELETE FROM job_runs", **variables)
    assert refused.returncode == 1
    assert "read-only transaction" in refused.stderr


def _run_as_owner(url: str, statements: list[str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.DuplicateObject:
                assert statement.startswith("CREATE ROLE")
