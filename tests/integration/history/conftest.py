"""A story of one job, which the tests of the past look back at."""

import pytest

from tests.integration.shared_api import Json, SharedApi, unique


@pytest.fixture
def story(shared: SharedApi) -> Json:
    """Tell a little story of one job; return its slug and what was to be seen at each position."""
    slug = unique("Story")
    before = shared.head()
    job = shared.register(slug=slug, name="first name")
    registered = shared.head()
    first = shared.launch(slug, {"parameters": {"n": 1}})
    second = shared.launch(slug, {"parameters": {"n": 2}})
    launched = shared.head()
    shared.client.post(
        f"/job-runs/{first['id']}/cancel", json={"reason": "why not"}
    ).raise_for_status()
    canceled = shared.head()
    revised_job = (
        shared.client.patch(f"/jobs/{slug}", json={"name": "second name"})
        .raise_for_status()
        .json()["data"]
    )
    third = shared.launch(slug)
    return {
        "slug": slug,
        "before": before,
        "registered": registered,
        "launched": launched,
        "canceled": canceled,
        "end": shared.head(),
        "job": job,
        "revised job": revised_job,
        "runs": [first, second, third],
        "canceled run": shared.get(f"/job-runs/{first['id']}")["data"]["run"],
    }
