"""The services of `deploy/compose.yaml` as plain processes, which needs no engine.

PostgreSQL and the object store are the tests' own; their addresses replace the file's.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from tests import ROOT
from tests.support import s3
from tests.support.processes import Process, run_to_end, started

DEPLOY = ROOT / "deploy"
ROLE = re.compile(r"```sql\n(CREATE ROLE jobs_service.*?)```", re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")


@dataclass(frozen=True)
class Composed:
    """What runs.

    Attributes:
        apis: their addresses.
        variables: of `deploy/.env`.
        secrets: the directory with the files that containers find in `/run/secrets`.
    """

    apis: list[str]
    variables: Mapping[str, str]
    secrets: Path

    def command(self, *arguments: str) -> str:
        """Run `apphub-jobs` as an operator; return what it prints."""
        ended = run_to_end(
            *arguments, APPHUB_URL=self.apis[0], APPHUB_TOKEN=self.variables["APPHUB_TOKEN"]
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def get(self, api: int, path: str, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{self.apis[api]}{path}", headers=headers, timeout=90)


@pytest.fixture
def service_url(empty_database_url: str) -> Iterator[str]:
    """Give the URL of the role that the docs make for the service; the owner has migrated."""
    role, password = f"jobs_service_{uuid4().hex}", uuid4().hex
    [statements] = ROLE.findall((ROOT / "docs/deploying.md").read_text())
    url = make_conninfo(empty_database_url, user=role, password=password)
    with psycopg.connect(empty_database_url, autocommit=True) as owner:
        owner.execute(statements.replace("jobs_service", role).replace("…", password))
        try:
            refused = run_to_end("serve", DATABASE_URL=url)
            assert "run `apphub-jobs migrate` as the role that owns" in refused.stderr
            assert run_to_end("migrate", DATABASE_URL=empty_database_url).returncode == 0
            yield url
        finally:
            owner.execute(f"GRANT {role} TO current_user; DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture
def composed(service_url: str, s3_endpoint: str, tmp_path: Path) -> Iterator[Composed]:
    subprocess.run([DEPLOY / "make-secrets", tmp_path], check=True, capture_output=True)
    lines = (tmp_path / ".env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(VARIABLE.sub(lambda match: variables[match[1]], text))["services"]
    here = {
        "DATABASE_URL": service_url,
        "APPHUB_PORT": "0",
        "APPHUB_METRICS_PORT": "0",
        "APPHUB_HANDLERS": str(DEPLOY / "worker/jobs.py"),
        **s3.variables(s3_endpoint),
    }
    with ExitStack() as stack:

        def start(name: str) -> list[Process]:
            environment = _environment(services[name], tmp_path / "secrets") | here
            return [
                stack.enter_context(
                    started(
                        *services[name]["command"],
                        **environment,
                        APPHUB_DATA_DIR=str(tmp_path / f"{name}-{number}"),
                    )
                )
                for number in range(services[name]["deploy"]["replicas"])
            ]

        start("worker")
        apis = start("api")
        addresses = [api.url().replace("0.0.0.0", "127.0.0.1") for api in apis]
        yield Composed(addresses, variables, tmp_path / "secrets")


def _environment(service: Mapping[str, Any], secrets: Path) -> dict[str, str]:
    return {
        name: str(value).replace("/run/secrets", str(secrets))
        for name, value in service["environment"].items()
        if name != "DATABASE_URL" and not name.startswith("AWS_")
    }


@pytest.mark.slow
def test_a_run_of_one_api_is_executed_and_its_log_read_at_the_other(composed: Composed) -> None:
    operator = composed.variables["APPHUB_TOKEN"]
    prometheus = (composed.secrets / "prometheus.token").read_text()
    for address in composed.apis:
        httpx.get(f"{address}/ready", timeout=90).raise_for_status()

    composed.command("jobs", "apply", str(DEPLOY / "worker/jobs.py"))
    run_id = composed.command("run", "write-letter", "name=Ada", "--no-wait").strip()
    composed.command("runs", "watch", run_id)

    run = composed.get(1, f"/job-runs/{run_id}", operator).json()["data"]["run"]
    assert run["result"].startswith("Dear Ada,")
    log = composed.get(1, f"/job-runs/{run_id}/logs", operator)
    assert "Dear Ada," in log.raise_for_status().text

    metrics = composed.get(1, "/metrics", prometheus).text
    for name in ("due", "running"):  # Kubernetes' workers are scaled by them.
        assert f'apphub_runs_{name}{{entry_point="write-letter"}} 0' in metrics
    workers = composed.get(0, "/workers", operator).json()["data"]
    assert [worker["state"] for worker in workers] == ["alive", "alive"]


def test_the_object_store_takes_the_options_that_compose_gives_it() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    command, *options = services["logs"]["command"]
    weed = Path(sys.executable).parent / "weed"
    help_text = subprocess.run(
        [weed, "help", command], capture_output=True, text=True, check=False, env={"HOME": "/"}
    )
    known = set(re.findall(r"^  (-[\w.]+)", help_text.stdout + help_text.stderr, re.MULTILINE))
    assert {option.split("=")[0] for option in options} <= known
