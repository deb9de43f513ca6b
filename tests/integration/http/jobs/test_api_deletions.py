"""A job is deleted over HTTP, and its slug registered again (contract, section 10)."""

import asyncio

import pytest

from domain.errors import ConflictError, NotFoundError
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog.database.connection import Database
from eventlog.rebuild.verify import verify
from projections import job_definitions
from tests.integration.shared_api import Json, SharedApi, check_failure, issues_of, job_body
from tests.support.logs import TESTER, parts, query, registered
from tests.support.sample_logs.promises import keep


def _deleted(shared: SharedApi, **fields: object) -> Json:
    """Register a job and delete it again; return it."""
    job = shared.register(**fields)
    answer = shared.client.delete(f"/jobs/{job['slug']}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["id"] == job["id"]
    return job


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("GET", ""),
        ("GET", "/runs"),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/run"),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ],
)
def test_a_deleted_job_is_not_found(shared: SharedApi, method: str, part: str) -> None:
    slug = _deleted(shared)["slug"]
    body = {"name": "x"} if method == "PATCH" else None
    answer = shared.client.request(method, f"/jobs/{slug}{part}", json=body)
    check_failure(answer, 404, "job_not_found", "job not found")
    assert slug not in [one["slug"] for one in shared.get("/jobs")["data"]]


def test_its_runs_and_its_past_stay(shared: SharedApi) -> None:
    job = shared.register()
    path = f"/jobs/{job['slug']}"
    run = shared.launch(job["slug"])
    before = shared.head()
    answer = shared.client.delete(path)
    check_failure(answer, 409, "job_has_unfinished_runs")
    shared.client.post(f"/job-runs/{run['id']}/cancel")
    assert shared.client.delete(path).status_code == 200
    [listed] = shared.get("/job-runs", job=job["slug"])["data"]
    assert (listed["run"]["id"], listed["job"]["slug"]) == (run["id"], job["slug"])
    assert shared.get(path, asOf=before)["data"]["job"] == job
    answer = shared.client.post(f"/job-runs/{run['id']}/retry")
    message = f"the job {job['slug']} is deleted; register it again to launch its runs again"
    check_failure(answer, 409, "job_deleted", message)


def test_a_slug_is_registered_again_under_the_next_version(shared: SharedApi) -> None:
    job = _deleted(shared, version=7, priority=3)
    slug = job["slug"].upper()
    for taken in (1, 7):
        answer = shared.client.post("/jobs", json=job_body(slug=slug, version=taken))
        assert [issue["path"] for issue in issues_of(answer)] == ["/version"]
    again = shared.register(slug=slug)
    same = ("id", "createdAt")
    assert {name: again[name] for name in same} == {name: job[name] for name in same}
    assert (again["slug"], again["version"], again["priority"]) == (slug, 8, 0)
    assert shared.get(f"/jobs/{slug}")["data"]["job"] == again
    assert shared.launch(slug)["definitionVersion"] == 8
    answer = shared.client.post("/jobs", json=job_body(slug=slug))
    check_failure(answer, 409, "job_exists")


def test_built_in_jobs_stay(shared: SharedApi) -> None:
    answer = shared.client.delete("/jobs/repository-build")
    check_failure(answer, 409, "job_is_built_in")


async def test_no_launch_or_retry_comes_in_behind_a_deletion(database_url: str) -> None:
    spec = JobSpec(name="once", type="batch", entry_point="test.noop")
    async with parts(database_url) as one, parts(database_url) as two:
        await registered(one.jobs, "once")
        await one.worker("w")
        ended = (await one.jobs.launch("once", Launch(), TESTER)).run_id
        [claim] = await one.executions.claim("w", 1)
        await one.executions.succeed(ended, claim.holder, None, Report())
        for _ in range(20):
            answers = await asyncio.gather(
                one.jobs.launch("once", Launch(), TESTER),
                two.jobs.delete_job("once", TESTER),
                one.jobs.retry(ended, TESTER),
                two.jobs.launch("once", Launch(), TESTER),
                two.jobs.register_job("once", spec, None, TESTER),
                return_exceptions=True,
            )
            refused = (ConflictError, NotFoundError)
            assert all(
                isinstance(answer, refused) or not isinstance(answer, BaseException)
                for answer in answers
            ), answers
            for claim in await one.executions.claim("w", 8):
                await one.executions.succeed(claim.run.id, claim.holder, None, Report())
        database = Database(database_url)
        await keep(database)
        [checked] = await verify(database, [job_definitions.TABLE], print, lambda *_: None)
    assert checked.is_equal


async def test_what_a_process_remembers_of_a_deleted_job_launches_nothing(
    database_url: str,
) -> None:
    async with parts(database_url) as one, parts(database_url) as two:
        await registered(one.jobs, "once")
        run_id = (await one.jobs.launch("once", Launch(), TESTER)).run_id
        await one.jobs.cancel(run_id, None, TESTER)
        await two.jobs.delete_job("once", TESTER)
        with pytest.raises(NotFoundError):
            await one.jobs.launch("once", Launch(), TESTER)
        with pytest.raises(ConflictError, match="is deleted"):
            await one.jobs.retry(run_id, TESTER)
    [(runs,)] = query(database_url, "SELECT count(*) FROM job_runs")
    assert runs == 1
