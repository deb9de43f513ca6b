"""`/schedules`: what each call does and answers, and that a running service ticks."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from apphub_jobs.client import Client
from tests.integration.http.test_openapi import Tour
from tests.integration.shared_api import Json, SharedApi, unique

ENOUGH_S = 30.0


@pytest.fixture(scope="module")
def job(shared: SharedApi) -> str:
    slug: str = shared.register(slug=unique())["slug"]
    return slug


@pytest.fixture(scope="module")
def tour(shared: SharedApi) -> Tour:
    return Tour(shared.client, shared.get("/openapi.json"))


def body(of: str, **fields: Any) -> Json:
    return {"id": unique("schedule"), "job": of, "cron": "0 3 * * *", **fields}


def created(tour: Tour, job: str, **fields: Any) -> Json:
    answer: Json = tour.call("POST /schedules", 201, json=body(job, **fields))
    return answer


def test_every_call_answers_as_its_schema_says(tour: Tour, job: str) -> None:
    schedule = created(tour, job, parameters={"day": "monday"}, exclude=["* * 25 12 *"])
    name = schedule["id"]
    assert (schedule["version"], schedule["overlap"]) == (1, "skip")
    assert tour.call("GET /schedules/{schedule_id}", 200, at=name.upper()) == schedule
    listed = tour.call("GET /schedules", 200, params={"limit": 100})
    assert schedule in listed
    patch = {"cron": None, "everyMs": 3_600_000, "startAt": "2026-01-01T01:00:00+01:00"}
    revised = tour.call("PATCH /schedules/{schedule_id}", 200, at=name, json=patch)
    assert (revised["version"], revised["cron"]) == (2, None)
    assert revised["startAt"] == "2026-01-01T00:00:00.000Z"
    again = tour.call("PATCH /schedules/{schedule_id}", 200, at=name, json=patch)
    assert again == revised
    why = {"reason": "holidays"}
    paused = tour.call("POST /schedules/{schedule_id}/pause", 200, at=name, json=why)
    assert paused["paused"]["reason"] == "holidays"
    resumed = tour.call("POST /schedules/{schedule_id}/resume", 200, at=name)
    assert resumed["paused"] is None
    run = tour.call("POST /schedules/{schedule_id}/trigger", 202, at=name)
    assert run["parameters"]["day"] == "monday"
    assert run["requestedBy"] == f"schedule:{name}"
    assert tour.call("GET /schedules/{schedule_id}/ticks", 200, at=name) == []
    past = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    backfill = "POST /schedules/{schedule_id}/backfill"
    preview = tour.call(backfill, 200, at=name, json={**past, "dryRun": True})
    assert preview == {"runs": [], "count": 1, "continueFrom": None}
    done = tour.call(backfill, 202, at=name, json=past)
    # Before it was created, its first version counts: one tick, at three.
    assert (len(done["runs"]), done["continueFrom"]) == (1, None)
    [filled] = tour.call("GET /schedules/{schedule_id}/ticks", 200, at=name)
    assert (filled["cause"], filled["dueAt"]) == ("backfill", "2026-01-01T03:00:00.000Z")
    again = tour.call(backfill, 202, at=name, json=past)
    assert again == {"runs": [], "count": 0, "continueFrom": None}
    tour.call(backfill, 400, at=name, json={"from": past["to"], "to": past["from"]})
    tour.call(backfill, 400, at=name, json={**past, "from": "0001-01-01T00:00:00Z"})
    deleted = tour.call("DELETE /schedules/{schedule_id}", 200, at=name)
    assert deleted["deletedAt"] is not None
    for operation in (
        "GET /schedules/{schedule_id}",
        "GET /schedules/{schedule_id}/ticks",
        "GET /schedules/{schedule_id}/preview",
        "DELETE /schedules/{schedule_id}",
        "POST /schedules/{schedule_id}/pause",
        "POST /schedules/{schedule_id}/resume",
        "POST /schedules/{schedule_id}/trigger",
    ):
        tour.call(operation, 404, at=name)
    tour.call(backfill, 404, at=name, json=past)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"id": "a b"}, "/id"),
        ({"job": "nothing-of-this-name"}, "/job"),
        ({"cron": "* * * *"}, "/cron"),
        ({"cron": None}, "/cron"),
        ({"everyMs": 60_000}, "/everyMs"),
        ({"cron": None, "everyMs": 1}, "/everyMs"),
        ({"timeZone": "Mars/Olympus"}, "/timeZone"),
        ({"overlap": "queue"}, "/overlap"),
        ({"exclude": ["x"]}, "/exclude/0"),
        # A flood of what is wrong is one problem: each of its own would take long to tell.
        ({"exclude": [1] * 100_000}, "/exclude"),
        ({"startAt": "yesterday"}, "/startAt"),
        ({"unknown": 1}, "/unknown"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    shared: SharedApi, job: str, fields: Json, path: str
) -> None:
    with shared.nothing_written():
        answer = shared.client.post("/schedules", json=body(job, **fields))
    assert answer.status_code == 400
    assert [issue["path"] for issue in answer.json()["issues"]] == [path]


def test_a_name_is_taken_whatever_its_case(tour: Tour, shared: SharedApi, job: str) -> None:
    name = created(tour, job)["id"]
    same = body(job, id=name.upper())
    tour.call("POST /schedules", 409, json=same)


def test_a_preview_shows_offsets_where_clocks_are_set(tour: Tour, job: str) -> None:
    name = created(
        tour, job, cron="30 2 * * *", timeZone="Europe/Berlin", startAt="2099-03-28T00:00:00+01:00"
    )["id"]
    preview = "GET /schedules/{schedule_id}/preview"
    ticks = tour.call(preview, 200, at=name, params={"n": 3})
    assert [tick["dueAt"] for tick in ticks] == [
        "2099-03-28T02:30:00+01:00",
        "2099-03-29T03:00:00+02:00",
        "2099-03-30T02:30:00+02:00",
    ]
    tour.call(preview, 400, at=name, params={"n": 0})


def test_a_draft_is_previewed_and_nothing_is_created(tour: Tour, shared: SharedApi) -> None:
    draft = {
        "id": unique("draft"),
        "cron": "30 2 * * *",
        "timeZone": "Europe/Berlin",
        "startAt": "2099-03-28T00:00:00+01:00",
        "exclude": ["* * 29 3 *"],
    }
    ticks = tour.call("POST /schedules/preview", 200, json=draft, params={"n": 2})
    assert [(tick["dueAt"], tick["isExcluded"]) for tick in ticks] == [
        ("2099-03-28T02:30:00+01:00", False),
        ("2099-03-29T03:00:00+02:00", True),
    ]
    tour.call("GET /schedules/{schedule_id}", 404, at=draft["id"])
    wrong = {"cron": "61 * * * *", "timeZone": "Mars/Olympus"}
    answer = shared.client.post("/schedules/preview", json=wrong)
    assert answer.status_code == 400
    paths = [issue["path"] for issue in answer.json()["issues"]]
    assert paths == ["/cron", "/timeZone"]


RARE_DAYS = 24

RARE = "{minute} 0 * 2 1#5"
"""A fifth Monday in February, which comes every 28 years: a tenth of a second for a preview."""


def test_others_are_answered_while_previews_of_rare_days_are_computed(shared: SharedApi) -> None:
    def preview(minute: int) -> httpx.Response:
        draft = {"id": "rare", "cron": RARE.format(minute=minute)}
        return shared.client.post("/schedules/preview?n=100", json=draft)

    with ThreadPoolExecutor(RARE_DAYS) as executor:
        began = monotonic()
        previews = [executor.submit(preview, minute) for minute in range(RARE_DAYS)]
        longest_s = 0.0
        while not all(one.done() for one in previews):
            asked = monotonic()
            shared.client.get("/health").raise_for_status()
            longest_s = max(longest_s, monotonic() - asked)
        took_s = monotonic() - began
    assert {one.result().status_code for one in previews} == {200}
    assert longest_s < took_s / 2


def test_lists_go_on_after_a_page(tour: Tour, shared: SharedApi, job: str) -> None:
    names = [created(tour, job, id=unique("zz"))["id"] for _ in range(3)]
    first = shared.get("/schedules", limit=1, cursor="zy")
    second = shared.get("/schedules", limit=2, cursor=first["meta"]["nextCursor"])
    ids = [one["id"] for one in (*first["data"], *second["data"])]
    assert ids == sorted(names)
    assert second["meta"] == {"limit": 2, "hasMore": False, "nextCursor": None}


@pytest.mark.parametrize("cursor", ["nonsense", "9" * 19])
def test_ticks_go_on_after_a_place_in_the_log_alone(
    tour: Tour, shared: SharedApi, job: str, cursor: str
) -> None:
    name = created(tour, job)["id"]
    query = {"cursor": cursor}
    answer = shared.client.get(f"/schedules/{name}/ticks", params=query)
    assert answer.status_code == 400, answer.text
    assert [issue["path"] for issue in answer.json()["issues"]] == ["/cursor"]


def test_a_running_service_launches_at_each_tick(tour: Tour, shared: SharedApi, job: str) -> None:
    # However late the service is, it misses none, for it runs.
    rhythm = {"cron": None, "everyMs": 1_000, "catchUpMs": 0}
    name = created(tour, job, **rhythm, overlap="allow_all")["id"]
    deadline = monotonic() + ENOUGH_S
    ticks: list[Json] = []
    while len(ticks) < 2 and monotonic() < deadline:
        sleep(0.1)
        ticks = tour.call("GET /schedules/{schedule_id}/ticks", 200, at=name)
    tour.call("DELETE /schedules/{schedule_id}", 200, at=name)
    assert ticks
    for tick in ticks:
        assert tick["outcome"] == "launched", tick
        assert tick["cause"] == "calendar"
        run = shared.get(f"/job-runs/{tick['runId']}")["data"]["run"]
        assert run["context"] == {"schedule": name, "dueAt": tick["dueAt"]}


def test_the_list_shows_what_there_was_at_a_position(
    tour: Tour, shared: SharedApi, job: str
) -> None:
    name = created(tour, job, cron="0 4 * * *")["id"]
    other = created(tour, job)["id"]
    subject = {"subject": f"schedule:{name}"}
    tour.call("PATCH /schedules/{schedule_id}", 200, at=name, json={"cron": "0 5 * * *"})
    tour.call("DELETE /schedules/{schedule_id}", 200, at=name)
    events = shared.get("/events", **subject)["data"]
    positions = [event["position"] for event in events]

    def then(position: int) -> dict[str, str]:
        with Client(str(shared.client.base_url)) as client:
            schedules = list(client.schedules.each(as_of=position))
        return {one.id: str(one.cron) for one in schedules if one.id in {name, other}}

    created_at, revised_at, deleted_at = positions
    assert then(created_at - 1) == {}
    assert then(created_at) == {name: "0 4 * * *"}
    assert then(revised_at) == {name: "0 5 * * *", other: "0 3 * * *"}
    assert then(deleted_at) == {other: "0 3 * * *"}
    tour.call("GET /schedules", 400, params={"asOf": "yesterday"})


def test_triggered_again_under_the_same_key_it_is_the_first_run(tour: Tour, job: str) -> None:
    trigger = "POST /schedules/{schedule_id}/trigger"
    one, other = (created(tour, job)["id"] for _ in range(2))
    key = {"Idempotency-Key": "k"}
    first = tour.call(trigger, 202, at=one, headers=key)
    assert first["idempotencyKey"] == "k"
    assert tour.call(trigger, 202, at=one.upper(), headers=key) == first
    launched = [first["id"]]
    launched.append(tour.call(trigger, 202, at=other, headers=key)["id"])
    again = {"Idempotency-Key": "k2"}
    launched.append(tour.call(trigger, 202, at=one, headers=again)["id"])
    launched.append(tour.call(trigger, 202, at=one)["id"])
    launched.append(tour.call(trigger, 202, at=one)["id"])
    assert len(set(launched)) == len(launched)


def test_what_can_launch_nothing_says_why_and_what_to_do(tour: Tour, shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    name = created(tour, slug)["id"]

    def refusals() -> set[tuple[str, str]]:
        past = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
        calls = {"trigger": None, "backfill": past}
        answers = [
            shared.client.post(f"/schedules/{name}/{call}", json=sent)
            for call, sent in calls.items()
        ]
        assert [answer.status_code for answer in answers] == [409, 409]
        return {(answer.json()["code"], answer.json()["error"]) for answer in answers}

    stricter = {"parametersSchema": {"required": ["day"]}}
    shared.client.patch(f"/jobs/{slug}", json=stricter).raise_for_status()
    start = f"schedule {name} can launch nothing: its job"
    message = f"{start} does not take its parameters; change them by PATCH"
    assert refusals() == {("invalid_parameters", message)}
    shared.client.delete(f"/jobs/{slug}").raise_for_status()
    message = f"{start} is deleted; register it again, or name another job by PATCH"
    assert refusals() == {("job_deleted", message)}


def test_a_trigger_warns_of_runs_that_nobody_would_execute(shared: SharedApi) -> None:
    slug = shared.register(slug=unique(), workerLabels={"zone": "mars"})["slug"]
    schedule = shared.client.post("/schedules", json=body(slug)).json()["data"]
    answer = shared.client.post(f"/schedules/{schedule['id']}/trigger")
    assert answer.status_code == 202
    assert [warning["code"] for warning in answer.json()["meta"]["warnings"]] == [
        "no_worker_offers_entry_point",
        "no_worker_has_labels",
    ]


def test_what_became_of_runs_is_counted_by_schedule(tour: Tour, shared: SharedApi) -> None:
    slug = shared.register(slug=unique(), workerLabels={"zone": "mars"})["slug"]  # They wait.
    busy, idle = (created(tour, slug)["id"] for _ in range(2))
    trigger = "POST /schedules/{schedule_id}/trigger"
    runs = [tour.call(trigger, 202, at=busy)["id"] for _ in range(3)]
    shared.launch(slug)  # Not the schedule's.
    shared.client.post(f"/job-runs/{runs[0]}/cancel").raise_for_status()
    by_schedule = "GET /job-runs/by-schedule"
    names = {"schedule": f"{busy},{idle},never-was", "last": 2}
    of_busy, of_idle = tour.call(by_schedule, 200, params=names)
    assert (of_busy["schedule"], of_idle["schedule"]) == (busy, idle)
    counted = {status: count for status, count in of_busy["counts"].items() if count}
    assert counted == {"pending": 2, "canceled": 1}
    assert [run["id"] for run in of_busy["last"]] == [runs[2], runs[1]]
    assert (sum(of_idle["counts"].values()), of_idle["last"]) == (0, [])
    later = {"schedule": busy, "from": "2190-01-01T00:00:00Z"}
    [counted_later] = tour.call(by_schedule, 200, params=later)
    assert sum(counted_later["counts"].values()) == 0
    assert [run["status"] for run in counted_later["last"]] == ["pending", "pending", "canceled"]

    tour.call("DELETE /schedules/{schedule_id}", 200, at=busy)
    created(tour, slug, id=busy)
    [anew] = tour.call(by_schedule, 200, params={"schedule": busy})
    assert (sum(anew["counts"].values()), anew["last"]) == (0, [])
    many = ",".join(f"s{number}" for number in range(101))
    tour.call(by_schedule, 400, params={"schedule": many})
