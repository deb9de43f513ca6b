"""Launches of jobs whose runs take turns by a parameter's value (contract, section 2)."""

from tests.integration.shared_api import SharedApi, issues_of


def test_what_runs_take_turns_by_may_not_be_longer_than_an_index_holds(shared: SharedApi) -> None:
    slug = shared.register(concurrencyKey="a/b")["slug"]
    longest = {"parameters": {"a/b": "x" * 998}}
    shared.launch(slug, longest)
    too_long = {"parameters": {"a/b": "x" * 2_800}}
    [issue] = issues_of(shared.client.post(f"/jobs/{slug}/run", json=too_long))
    assert (issue["path"], issue["keyword"]) == ("/parameters/a~1b", "maxLength")
