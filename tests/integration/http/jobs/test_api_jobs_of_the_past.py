"""`GET /jobs?asOf=`: every job as it was."""

from api.routes import jobs
from api.views.lists import JobLists
from eventlog.database.costly_reads import CostlyReads
from tests.integration.shared_api import SharedApi, unique
from tests.support.logs import Parts, query, registered


def _shown(shared: SharedApi, prefix: str, position: int | None) -> list[str]:
    listed = shared.get("/jobs", **({} if position is None else {"asOf": position}))
    return [
        f"{job['slug'].removeprefix(prefix)} {job['name']}"
        for job in listed["data"]
        if job["slug"].startswith(prefix)
    ]


def test_jobs_are_listed_as_they_were(shared: SharedApi) -> None:
    prefix = unique("zz")
    before = shared.head()
    for number in range(jobs.FIRST_PART + 2):
        shared.register(slug=f"{prefix}{number:02}", name="first")
    all_first = [f"{number:02} first" for number in range(jobs.FIRST_PART + 2)]
    registered = shared.head()
    shared.client.patch(f"/jobs/{prefix}03", json={"name": "second"})
    shared.client.delete(f"/jobs/{prefix}05").raise_for_status()
    shared.client.delete(f"/jobs/{prefix}00").raise_for_status()
    assert _shown(shared, prefix, before) == []
    assert _shown(shared, prefix, registered) == all_first
    now = ["01 first", "02 first", "03 second", "04 first", *all_first[6:]]
    assert _shown(shared, prefix, None) == now
    assert _shown(shared, prefix, shared.head()) == now
    # It is registered anew under its slug; what was, stays.
    shared.register(slug=f"{prefix}05", name="third")
    assert _shown(shared, prefix, registered) == all_first


async def test_jobs_that_were_not_there_yet_count_for_how_many_are_read_next(part: Parts) -> None:
    await registered(part.jobs, "first")
    [(position,)] = query(part.url, "SELECT max(notification_id) FROM jobs_events")
    for number in range(jobs.FIRST_PART):
        await registered(part.jobs, f"and-{number}")
    lists = JobLists(part.pool, CostlyReads(part.pool), part.files, position)
    some = await lists.after("", jobs.FIRST_PART)
    assert (some.texts, some.rows_read, some.has_more) == ([], jobs.FIRST_PART, True)
    rest = await lists.after(some.last_slug, jobs.FIRST_PART)
    assert (len(rest.texts), rest.rows_read, rest.has_more) == (1, 1, False)
