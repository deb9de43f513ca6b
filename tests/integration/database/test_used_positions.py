"""A log whose sequence stands behind it takes no event that nobody would see."""

import pytest

from domain.errors import LogUnavailableError
from domain.jobs.launching import Launch
from tests.support.logs import TESTER, Parts, parts, query, registered


async def test_an_append_behind_the_head_is_refused_and_says_what_to_do(
    part: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    slug = await registered(part.jobs)
    for _ in range(20):
        await part.jobs.launch(slug, Launch(), TESTER)
    [(head,)] = query(part.url, "SELECT max(notification_id) FROM jobs_events")
    query(part.url, "SELECT setval('jobs_events_notification_id_seq', 5)")
    with pytest.raises(LogUnavailableError):
        await part.jobs.launch(slug, Launch(), TESTER)
    count = "SELECT count(*) FROM job_runs"
    assert query(part.url, count) == [(20,)]
    remedy = f"SELECT setval('jobs_events_notification_id_seq', {head})"
    assert remedy in caplog.text
    # The lock is free for others.
    async with parts(part.url) as other:
        query(part.url, remedy)
        await other.jobs.launch(slug, Launch(), TESTER)
    assert query(part.url, count) == [(21,)]
