"""`Idempotency-Key`: a blind retry is always safe (contract, sections 1 and 4)."""

import json

import httpx
import pytest

from tests.integration.shared_api import Json, SharedApi, at_once, check_failure, issues_of

KEY = "Idempotency-Key"


def launch(shared: SharedApi, slug: str, key: str | bytes, content: bytes = b"") -> httpx.Response:
    headers = [
        (KEY.encode(), key.encode() if isinstance(key, str) else key),
        (b"Content-Type", b"application/json"),
    ]
    return shared.client.post(f"/jobs/{slug}/run", content=content, headers=headers)


def test_the_same_key_and_body_lead_to_the_first_run_again(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    body = b'{"parameters": {"a": 1, "b": [{"x": 1, "y": 2}]}, "maxAttempts": 2}'
    first = launch(shared, slug, "k 1", body)
    before = shared.count_events()
    assert first.status_code == 202
    assert first.json()["data"]["idempotencyKey"] == "k 1"
    spelt_otherwise = b'{"maxAttempts":2.0,\n\t"parameters":{"b":[{"y":2,"x":1e0}],"\\u0061":1}}'
    for again in (body, spelt_otherwise):
        assert launch(shared, slug, "k 1", again).json() == first.json()
        assert launch(shared, slug.upper(), "k 1", again).json() == first.json()
    assert shared.count_events() == before


def test_no_body_is_the_same_request_as_an_empty_one(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    ids = {
        launch(shared, slug, "k", content).json()["data"]["id"]
        for content in (b"", b"{}", b"null", b" ")
    }
    assert len(ids) == 1


def test_another_body_under_the_same_key_is_a_409(shared: SharedApi) -> None:
    slug = shared.register(defaultParameters={"a": 1})["slug"]
    assert launch(shared, slug, "k", b'{"parameters": {"a": 1}}').status_code == 202
    before = shared.count_events()
    others: list[Json] = [
        {},
        {"parameters": {"a": 2}},
        {"parameters": {"a": "1"}},
        {"parameters": {"a": 1, "b": None}},
        {"parameters": {"a": 1}, "context": None},
        {"parameters": {"a": 1}, "priority": 0},
    ]
    for other in others:
        check_failure(
            launch(shared, slug, "k", json.dumps(other).encode()), 409, "idempotency_key_reused"
        )
    assert shared.count_events() == before


def test_the_first_run_is_found_again_whatever_became_of_job_and_run(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    body = b'{"parameters": {"a": 1}, "scheduledAt": "2031-01-01T00:00:00Z"}'
    run = launch(shared, slug, "k", body).json()["data"]
    revision = {"parametersSchema": {"properties": {"a": {"type": "string"}}}, "timeoutMs": 5_000}
    assert shared.client.patch(f"/jobs/{slug}", json=revision).status_code == 200
    assert launch(shared, slug, "k", body).json()["data"] == run
    issues_of(launch(shared, slug, "another", body))
    shared.client.post(f"/job-runs/{run['id']}/cancel")
    again = launch(shared, slug, "k", body)
    assert (again.status_code, again.json()["data"]["id"]) == (202, run["id"])
    assert again.json()["data"]["status"] == "canceled"


def test_a_refused_request_does_not_use_up_its_key(shared: SharedApi) -> None:
    slug = shared.register(parametersSchema={"required": ["a"]})["slug"]
    issues_of(launch(shared, slug, "k"))
    assert launch(shared, slug, "k", b'{"parameters": {"a": 1}}').status_code == 202


def test_keys_are_scoped_to_the_job_and_are_case_sensitive(shared: SharedApi) -> None:
    one, two = shared.register()["slug"], shared.register()["slug"]
    runs = [
        launch(shared, slug, key).json()["data"]
        for slug in (one, two)
        for key in ("key", "KEY", "key2")
    ]
    assert len({run["id"] for run in runs}) == 6
    assert [run["slug"] for run in runs] == [one] * 3 + [two] * 3


def test_fifty_racing_requests_with_one_key_make_one_run(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    answers = at_once(50, lambda _: launch(shared, slug, "race", b'{"parameters": {"a": 1}}'))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert len(shared.get(f"/jobs/{slug}/runs")["data"]) == 1


def test_of_racing_bodies_under_one_key_one_wins(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    answers = at_once(
        20, lambda number: launch(shared, slug, "race", b'{"parameters": {"a": %d}}' % (number % 4))
    )
    [run] = shared.get(f"/jobs/{slug}/runs")["data"]
    for number, answer in enumerate(answers):
        if number % 4 == run["parameters"]["a"]:
            assert answer.json()["data"] == run
        else:
            check_failure(answer, 409, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb", "☃"], ids=ascii)
def test_a_key_that_is_not_printable_ascii_or_too_long_is_a_400(
    shared: SharedApi, key: str
) -> None:
    slug = shared.register()["slug"]
    answer = launch(shared, slug, key.encode())
    assert [issue["path"] for issue in issues_of(answer)] == ["/Idempotency-Key"]
    assert shared.get(f"/jobs/{slug}/runs")["data"] == []


def test_two_keys_are_a_400(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    two = [("Idempotency-Key", "first"), ("idempotency-key", "second")]
    for path in (f"/jobs/{slug}/run", "/bulk", f"/failures/{'0' * 16}/retry"):
        body = {"action": "cancel", "filter": ["all"], "reason": "all of it"}
        sent = {} if path.endswith("run") else body
        if path.startswith("/failures"):
            sent = {"reason": "mended"}
        answer = shared.client.post(path, json=sent, headers=two)
        [issue] = issues_of(answer)
        assert issue["path"] == "/Idempotency-Key"
        assert issue["message"] == "must be given once"
    assert shared.get(f"/jobs/{slug}/runs")["data"] == []


@pytest.mark.parametrize(
    "key", ["x", "x" * 255, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ a"], ids=["short", "long", "odd"]
)
def test_any_other_key_is_fine(shared: SharedApi, key: str) -> None:
    slug = shared.register()["slug"]
    run = launch(shared, slug, key).json()["data"]
    assert run["idempotencyKey"] == key
    assert launch(shared, slug, key).json()["data"]["id"] == run["id"]
