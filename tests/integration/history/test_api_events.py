"""`GET /events`: the log by position and by every filter (contract, section 4)."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from eventlog.history import audit
from tests.integration.shared_api import Json, SharedApi, issues_of, moment, unique
from tests.support.processes import eventually


def pages(shared: SharedApi, **query: Any) -> Iterator[list[Json]]:
    after = query.pop("after", 0)
    while after is not None:
        page = shared.get("/events", after=after, **query)
        yield page["data"]
        after = page["meta"]["next"]


def positions_of(shared: SharedApi, **query: Any) -> list[Json]:
    return [event for page in pages(shared, **query) for event in page]


def history(shared: SharedApi, run_id: str) -> list[Json]:
    return list(shared.get(f"/job-runs/{run_id}/events")["data"])


def a_canceled_run(shared: SharedApi) -> Json:
    run = shared.launch(shared.register()["slug"])
    shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
    return run


def test_the_whole_log_comes_by_position_in_pages(shared: SharedApi) -> None:
    for _ in range(5):
        a_canceled_run(shared)
    rows = shared.rows("SELECT notification_id AS position, topic FROM jobs_events ORDER BY 1")
    last_ones = rows[-15:]
    for limit, expected in ((1, last_ones), (7, rows), (1_000, rows)):
        before = expected[0]["position"] - 1
        events = positions_of(shared, after=before, limit=limit)
        assert [(event["position"], event["type"]) for event in events] == [
            (row["position"], row["topic"]) for row in expected
        ]
    middle = rows[len(rows) // 2]["position"]
    assert [event["position"] for event in positions_of(shared, after=middle)] == [
        row["position"] for row in rows if row["position"] > middle
    ]
    assert shared.get("/events", after=rows[-1]["position"]) == {"data": [], "meta": {"next": None}}


def test_a_full_last_page_says_that_it_is_the_last(shared: SharedApi) -> None:
    run = a_canceled_run(shared)
    page = shared.get("/events", subject=run["id"], limit=2)
    assert (len(page["data"]), page["meta"]["next"]) == (2, None)


def test_an_event_is_shown_as_in_its_run_s_history(shared: SharedApi) -> None:
    run = a_canceled_run(shared)
    events = positions_of(shared, subject=run["id"])
    assert events == history(shared, run["id"])
    assert [event["type"] for event in events] == ["job_run.requested", "job_run.canceled"]
    assert {event["actor"] for event in events} == {"anonymous"}
    moment(events[0]["recordedAt"])


def test_a_subject_has_a_kind_and_a_name(shared: SharedApi) -> None:
    slug = unique()
    shared.register(slug=slug)
    run = shared.launch(slug)
    app = unique("app")
    shared.client.post(
        "/apps", json={"id": app, "name": "x", "repoUrl": "/srv/x"}
    ).raise_for_status()
    build = shared.client.post(f"/apps/{app}/builds").json()["data"]
    types = {
        f"job_definition:{slug}": {"job_definition.registered"},
        f"job_run:{run['id']}": {"job_run.requested"},
        f"repository:{app}": {"repository.added", "repository.ingestion_requested"},
        f"build:{build['id']}": {"build.requested"},
        f"job_run:{build['id']}": set(),
        str(uuid4()): set(),
    }
    for subject, expected in types.items():
        assert {event["type"] for event in positions_of(shared, subject=subject)} == expected, (
            subject
        )
    assert {event["type"].split(".")[0] for event in positions_of(shared, subject="build")} == {
        "build"
    }
    assert positions_of(shared, subject="build", type="job_run.*") == []


def test_types_are_exact_or_a_beginning(shared: SharedApi) -> None:
    a_canceled_run(shared)
    every = positions_of(shared)
    for query, beginnings in {
        "job_run.canceled": ("job_run.canceled",),
        "job_run.*": ("job_run.",),
        "job_run.canceled, job_definition.*": ("job_run.canceled", "job_definition."),
        "job_run.cancel*": ("job_run.cancel",),
    }.items():
        assert positions_of(shared, type=query) == [
            event for event in every if event["type"].startswith(beginnings)
        ], query


def test_a_chain_of_causes_is_found_by_its_request(shared: SharedApi) -> None:
    run = a_canceled_run(shared)
    retried = shared.client.post(f"/job-runs/{run['id']}/retry").json()["data"]
    requested, canceled = history(shared, run["id"])
    again = history(shared, retried["id"])
    assert again[0]["causationId"] == canceled["eventId"]
    assert canceled["correlationId"] == requested["correlationId"]
    chain = positions_of(shared, correlation=requested["correlationId"])
    assert [event["position"] for event in chain][:2] == [
        requested["position"],
        canceled["position"],
    ]
    assert again[0]["position"] in {event["position"] for event in chain}
    assert positions_of(shared, correlation=str(uuid4())) == []


def test_times_bound_the_events(shared: SharedApi) -> None:
    first, second = a_canceled_run(shared), a_canceled_run(shared)
    recorded = [event["recordedAt"] for event in history(shared, second["id"])]
    ids = {
        event["subject"]["id"]
        for event in positions_of(shared, since=recorded[0], subject="job_run")
    }
    assert second["id"] in ids
    ids = {
        event["subject"]["id"]
        for event in positions_of(shared, until=recorded[0], subject="job_run")
    }
    assert first["id"] in ids
    assert second["id"] not in ids
    assert positions_of(shared, since="2999-01-01T00:00:00Z") == []
    assert positions_of(shared, until="2001-01-01T00:00:00Z") == []


def test_actors_are_told_apart(shared: SharedApi) -> None:
    a_canceled_run(shared)
    assert {event["type"] for event in positions_of(shared, actor="system")} == {
        "job_definition.registered"
    }
    assert positions_of(shared, actor="nobody") == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("after=-1", "/after"),
        ("after=x", "/after"),
        ("after=9223372036854775808", "/after"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("subject=nobody", "/subject"),
        ("subject=job:x", "/subject"),
        ("subject=job_run:x", "/subject"),
        ("correlation=x", "/correlation"),
        ("since=yesterday", "/since"),
        ("until=2026-01-01T00:00:00", "/until"),
        ("type=%00", "/type"),
        ("type=nope", "/type"),
        ("type=job_run.started,job_run.failed", "/type"),
        ("type=jobs.*", "/type"),
        ("type=job_run.cancel", "/type"),
        ("type=job%25", "/type"),
        ("actor=%00", "/actor"),
    ],
)
def test_what_is_no_filter_is_refused(shared: SharedApi, query: str, path: str) -> None:
    assert [issue["path"] for issue in issues_of(shared.client.get(f"/events?{query}"))] == [path]


def test_it_is_told_how_far_the_log_is_sealed(shared: SharedApi) -> None:
    a_canceled_run(shared)
    head = shared.head()

    def sealed() -> Json | None:
        seal = dict(shared.get("/events/seal")["data"])
        return seal if (seal["sealedPosition"] or 0) >= head else None

    seal = eventually(sealed, what="the seal of what has just happened")
    assert seal["seals"] >= 1
    assert seal["position"] >= seal["sealedPosition"]


def test_a_rare_type_costs_pages_and_never_a_long_query(shared: SharedApi) -> None:
    run = a_canceled_run(shared)
    shared.rows(
        "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
        " SELECT gen_random_uuid(), 1, topic, state FROM jobs_events, generate_series(1, %s)"
        " WHERE originator_id = %s AND originator_version = 1 RETURNING 1 AS one",
        audit.SCAN_LIMIT + 10,
        run["id"],
    )
    late = a_canceled_run(shared)
    first, *rest = list(pages(shared, type="job_run.canceled"))
    assert rest, "one page looked at more than its share"
    events = [*first, *(event for page in rest for event in page)]
    assert {run["id"], late["id"]} <= {event["subject"]["id"] for event in events}
