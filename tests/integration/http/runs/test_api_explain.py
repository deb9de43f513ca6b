"""`/job-runs/{id}/explain`: why a run waits, or how it ended (contract, section 10)."""

from datetime import UTC, datetime
from uuid import uuid4

import jsonschema
import pytest

from apphub_jobs.client import Client, NotFoundError
from tests.integration.shared_api import Json, SharedApi, check_failure, issues_of


def _schema(shared: SharedApi) -> Json:
    document = shared.get("/openapi.json")
    answer = document["paths"]["/job-runs/{run_id}/explain"]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


def test_an_explanation_is_as_documented_now_and_then(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    run = shared.launch(slug, {"delayMs": 60_000})
    position = shared.head()
    path = f"/job-runs/{run['id']}/explain"
    with shared.nothing_written():
        waiting = shared.get(path)
    assert set(waiting) == {"data"}
    reasons = waiting["data"]["reasons"]
    assert [(one["code"], one["binding"]) for one in reasons] == [
        ("not_due", True),
        ("no_worker", False),
    ]
    assert waiting["data"]["nextChangeAt"] == run["scheduledAt"]
    shared.client.post(f"/job-runs/{run['id']}/cancel", json={"reason": "because"})
    ended = shared.get(path)
    [reason] = ended["data"]["reasons"]
    assert (reason["code"], reason["details"]["by"]) == ("canceled", "anonymous")
    then = shared.get(path, asOf=position)
    assert then["meta"] == {"asOf": position}
    assert [one["code"] for one in then["data"]["reasons"]] == ["not_due"]
    assert then["data"]["unknown"]
    schema = _schema(shared)
    for answer in (waiting, ended, then):
        jsonschema.Draft202012Validator(schema).validate(answer)


def test_what_cannot_be_explained_is_refused(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"])
    path = f"/job-runs/{run['id']}/explain"
    for run_id in (uuid4(), "no-id"):
        answer = shared.client.get(f"/job-runs/{run_id}/explain")
        check_failure(answer, 404, "run_not_found")
    check_failure(shared.client.get(path, params={"asOf": 0}), 404, "run_not_found")
    for as_of in ("soon", "999999999", "2999-01-01T00:00:00Z"):
        [issue] = issues_of(shared.client.get(path, params={"asOf": as_of}))
        assert issue["path"] == "/asOf"


def test_the_client_explains(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"], {"delayMs": 60_000})
    with Client(str(shared.client.base_url)) as client:
        explanation = client.explain(run["id"])
        assert (explanation.status, explanation.unknown) == ("pending", [])
        first = explanation.reasons[0]
        assert (first.code, first.binding) == ("not_due", True)
        assert first.message in explanation.summary
        assert first.details["scheduledAt"] == run["scheduledAt"]
        assert first.since is not None
        assert explanation.next_change_at is not None
        assert first.since < explanation.next_change_at
        then = client.run(run["id"]).explain(datetime.now(UTC))
        assert (then.status, len(then.unknown)) == ("pending", 1)
        with pytest.raises(NotFoundError):
            client.explain(str(uuid4()))
