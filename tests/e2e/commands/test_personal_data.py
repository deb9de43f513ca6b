"""Personal data from a launch over HTTP to a handler, and out of everything again."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.shared_api import check_failure, issues_of, job_body
from tests.integration.streams import server_sent, stream
from tests.support.commands import Done, typed
from tests.support.logs import query
from tests.support.processes import eventually, started, wait_for_run
from tests.support.sample_logs.archives import make_role
from tests.support.sample_logs.personal import ALICE, GIVEN, SCHEMA, SECRETS, places_of
from tests.support.slow import slow

ERASED = {"customerId": "[erased]", "address": "[erased]"}


@dataclass(frozen=True)
class Site:
    """An API and a worker on one database."""

    client: httpx.Client
    url: str
    directory: Path

    def run(self, *command: str) -> Done:
        """Run a command beside them, in this process, which must have no running loop."""
        env = {"APPHUB_DATABASE_URL": self.url, "DATABASE_URL": None}
        return typed([*command, "--data-dir", str(self.directory)], env)

    def served_run(self, path: Path) -> dict[str, Any]:
        """Launch a run that writes its parameters to a file; return the run once it has ended."""
        run = launch(self.client, {**GIVEN, "file": str(path)})
        assert run["parameters"] == {**GIVEN, "file": str(path)}
        return wait_for_run(self.client, run["id"], "succeeded")


@contextmanager
def site(url: str, directory: Path) -> Iterator[Site]:
    options = ("--data-dir", str(directory))
    with ExitStack() as stack:
        serve = ("serve", "--port", "0", "--seal-every-s", "0.1", *options)
        api = stack.enter_context(started(*serve, APPHUB_DATABASE_URL=url))
        work = ("worker", "--handlers", "tests.support.sample_logs.personal", *options)
        stack.enter_context(started(*work, APPHUB_DATABASE_URL=url))
        yield Site(
            stack.enter_context(httpx.Client(base_url=api.url(), timeout=90)), url, directory
        )


def register(client: httpx.Client, **changes: Any) -> None:
    body = job_body(slug="letter", entryPoint="test.note", parametersSchema=SCHEMA, **changes)
    client.post("/jobs", json=body).raise_for_status()


def launch(client: httpx.Client, parameters: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/jobs/letter/run", json={"parameters": parameters})
    return dict(answer.raise_for_status().json()["data"])


def everything_shown(here: Site, run_id: str) -> list[str]:
    """Return all that clients and commands can be told of the run, as text."""
    head = int(query(here.url, "SELECT max(notification_id) FROM jobs_events")[0][0])
    urls = ["/job-runs", "/jobs/letter", "/jobs/letter/runs", f"/job-runs/{run_id}"]
    paths = [
        path + as_of for path in urls for as_of in ("", *(f"?asOf={n}" for n in range(1, head + 1)))
    ]
    answers = []
    for path in (*paths, f"/job-runs/{run_id}/events", f"/job-runs/{run_id}/attempts", "/events"):
        answer = here.client.get(path)
        if not (answer.status_code == 404 and "asOf" in path):
            # From before there was anything.
            answers.append(answer.raise_for_status().text)
    with stream(here.client, after=0) as opened, server_sent(here.client, after=0) as events:
        answers.append(json.dumps(opened.until_served(head)))
        events.until(lambda message: message.get("position") == head and "more" not in message)
        answers.append(json.dumps(events.received))
    answers += [
        here.run("events", "export").stdout,
        here.run("events", "show", run_id, "--json").stdout,
    ]
    return answers


def seal_and_archive(here: Site) -> None:
    head = query(here.url, "SELECT max(notification_id) FROM jobs_events")[0][0]
    eventually(
        lambda: query(here.url, "SELECT 1 FROM log_seals WHERE position = %s", head),
        what="the seal",
    )
    asyncio.run(make_role(here.url))
    archived = here.run("log", "archive", "--older-than", "0s")
    assert archived.returncode == 0, archived
    assert " of 1 run in 1 file" in archived.stdout


@pytest.mark.parametrize("archived", [False, slow(True)])
def test_somebody_is_served_and_then_erased_from_everything(
    database_url: str, tmp_path: Path, *, archived: bool
) -> None:
    note = tmp_path / "noted.json"
    with site(database_url, tmp_path / "data") as here:
        register(here.client)
        run = here.served_run(note)
        assert json.loads(note.read_text()) == {**GIVEN, "file": str(note)}
        assert places_of(database_url, *SECRETS) == {"job_runs.parameters"}
        if archived:
            seal_and_archive(here)
        answers = everything_shown(here, run["id"])
        assert sum(ALICE in text and "Elm Street" in text for text in answers) > 10
        answer = here.client.post("/subjects/erase", json={"subject": ALICE, "reason": "asked"})
        erased = answer.raise_for_status().json()["data"]
        assert (erased["runs"], erased["reason"]) == (1, "asked")
        answers = everything_shown(here, run["id"])
        assert [text for text in answers if ALICE in text or "Elm Street" in text] == []
        assert sum("[erased]" in text for text in answers) > 10
        assert places_of(database_url, *SECRETS) == set()
        assert query(database_url, "SELECT count(*) FROM subject_keys") == [(0,)]
        check_failure(here.client.post(f"/job-runs/{run['id']}/retry"), 409, "run_erased")
        check_failure(
            here.client.post("/subjects/erase", json={"subject": ALICE}), 404, "subject_not_found"
        )
        head = query(database_url, "SELECT max(notification_id) FROM jobs_events")[0][0]
        eventually(
            lambda: query(database_url, "SELECT 1 FROM log_seals WHERE position = %s", head),
            what="the seal",
        )
        verified = here.run("verify", "--seal")
        assert verified.returncode == 0, verified
        assert "the log is what was sealed" in verified.stdout
        query(database_url, "UPDATE job_runs SET parameters = '{}' RETURNING 1")
        assert here.run("projections", "rebuild").returncode == 0
        run = here.client.get(f"/job-runs/{run['id']}").json()["data"]["run"]
        assert run["parameters"] == {**ERASED, "day": "monday", "file": str(note)}
        assert here.served_run(note)["status"] == "succeeded", "who comes back is served again"


def test_operators_erase_and_change_the_key_by_commands(database_url: str, tmp_path: Path) -> None:
    with site(database_url, tmp_path / "data") as here:
        register(here.client)
        assert here.run("subjects", "rotate-key").returncode == 1
        assert not (tmp_path / "data" / "subjects.key").exists()
        run = here.served_run(tmp_path / "noted.json")
        old = (tmp_path / "data" / "subjects.key").read_text()
        done = here.run("subjects", "rotate-key")
        assert done.returncode == 0, done
        assert (tmp_path / "data" / "subjects.key").read_text() != old
        assert (
            here.client.get(f"/job-runs/{run['id']}/events").json()["data"][0]["data"][
                "parameters"
            ]["customerId"]
            == ALICE
        )
        here.served_run(tmp_path / "noted.json")
        done = here.run("subjects", "erase", ALICE, "--reason", "asked")
        assert done.returncode == 0, done
        assert ", 2 runs, " in done.stdout
        assert places_of(database_url, *SECRETS) == set()
        done = here.run("subjects", "erase", ALICE)
        assert (done.returncode, done.stdout) == (1, "")
        assert "no personal data of this subject are kept" in done.stderr


def test_a_process_without_the_right_key_does_not_start(database_url: str, tmp_path: Path) -> None:
    with site(database_url, tmp_path / "data") as here:
        register(here.client)
        here.served_run(tmp_path / "noted.json")
    for command in (("serve", "--port", "0"), ("worker",)):
        with started(
            *command, "--data-dir", str(tmp_path / "other"), APPHUB_DATABASE_URL=database_url
        ) as process:
            process.wait_for_line(
                "copy the right file there, or name it by --subject-key", errors=True
            )
            assert process.popen.wait(90) == 1
    env = {"APPHUB_DATABASE_URL": database_url, "DATABASE_URL": None}
    other, right = (
        ("--data-dir", str(tmp_path / "other")),
        ("--subject-key", str(tmp_path / "data" / "subjects.key")),
    )
    for words in (
        ("verify",),
        ("projections", "rebuild"),
        ("events", "export"),
        ("subjects", "erase", ALICE),
    ):
        done = typed([*words, *other], env)
        assert done.returncode == 1
        assert "wrapped by the master key" in done.stderr
        assert not (tmp_path / "other" / "subjects.key").exists()
        assert typed([*words, *other, *right], env).returncode == 0


def test_what_cannot_be_kept_private_is_refused(client: httpx.Client, database_url: str) -> None:
    def refused(**changes: Any) -> list[str]:
        body = job_body(**{"parametersSchema": SCHEMA, **changes})
        return [issue["path"] for issue in issues_of(client.post("/jobs", json=body))]

    nobody = {"properties": {"mail": {"x-subject": "who"}}}
    assert refused(parametersSchema=nobody) == ["/parametersSchema/properties/mail/x-subject"]
    assert refused(parametersSchema={"items": {"x-subject": "who"}}) == [
        "/parametersSchema/items/x-subject"
    ]
    assert refused(defaultParameters={"customerId": "bo"}) == ["/defaultParameters/customerId"]
    assert refused(concurrencyKey="customerId") == ["/concurrencyKey"]
    catalog = client.patch(
        "/jobs/repository-build",
        json={"parametersSchema": {"properties": {"a": {"x-subject": "a"}}}},
    )
    assert [issue["path"] for issue in issues_of(catalog)] == ["/parametersSchema"]
    register(client)
    nameless = client.post(
        "/jobs/letter/run", json={"parameters": {"address": {"street": "Elm Street"}}}
    )
    assert [issue["path"] for issue in issues_of(nameless)] == ["/parameters/customerId"]
    for body in (
        {},
        {"subject": ""},
        {"subject": None},
        {"subject": True},
        {"subject": 1.5},
        {"subject": "a", "x": 1},
    ):
        assert client.post("/subjects/erase", json=body).status_code == 400
    assert query(database_url, "SELECT count(*) FROM subject_keys") == [(0,)]


def test_an_erasure_while_a_run_goes_on_names_it(client: httpx.Client) -> None:
    register(client)
    run = launch(client, GIVEN)
    answer = client.post("/subjects/erase", json={"subject": ALICE})
    check_failure(answer, 409, "subject_has_unfinished_runs")
    assert run["id"] in answer.json()["error"]
    client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
    with stream(client) as opened:
        # From here on it tells all that happens.
        assert opened.next()["type"] == "connection.ack"
        answer = client.post("/subjects/erase", json={"subject": ALICE})
        erased = answer.raise_for_status().json()["data"]
        notice = opened.until(lambda message: message["type"] == "subject.erased")
    assert notice["data"]["subject"] == {
        name: value for name, value in erased.items() if name != "position"
    }
    assert notice["position"] == erased["position"]
