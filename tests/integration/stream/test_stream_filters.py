"""The stream of some types or of one job, over both protocols (contract, section 5)."""

import httpx
import pytest

from tests.integration.shared_api import Json, SharedApi, unique
from tests.integration.streams import server_sent, stream
from tests.support.stream.expected import check_marks, comparable, is_job, messages_in, of_events

FILTERS: list[tuple[str, set[str]]] = [
    ("job.run.*", {"pending", "canceled", "updated"}),
    ("job.run.pending", {"pending"}),
    (" job.run.canceled , job.run.pending", {"canceled", "pending"}),
    ("job.*", {"job.definition.updated", "pending", "canceled", "updated"}),
    ("repository.*,build.updated", {"repository.updated", "repository.ingestion-event"}),
    (
        "repository.ingestion-event,job.definition.*",
        {"repository.ingestion-event", "job.definition.updated"},
    ),
    (",", {"*"}),
]


@pytest.mark.parametrize(("types", "kinds"), FILTERS)
async def test_only_the_wanted_types_are_told_and_the_last_of_them_ends_a_position(
    shared: SharedApi, log: Json, types: str, kinds: set[str]
) -> None:
    selected = {kind if "." in kind else f"job.run.{kind}" for kind in kinds}
    expected = [
        event
        for event in await messages_in(shared.database_url)
        if "*" in kinds or event.type in selected
    ]
    with (
        stream(shared, after=0, types=types) as opened,
        server_sent(shared, after=0, types=types) as events,
    ):
        received = opened.until_served(log["head"])
        while len(of_events(events.received)) < len(expected):
            events.next()
    for messages in (received, events.received):
        assert [comparable(message) for message in of_events(messages)] == expected
        check_marks(messages)
    assert "*" in kinds or {event.type for event in expected} == selected


async def test_only_the_wanted_job_is_told_ignoring_case(shared: SharedApi, log: Json) -> None:
    slug = log["slug"].swapcase()
    expected = list(filter(is_job(slug), await messages_in(shared.database_url)))
    assert {event.type.rpartition(".")[2] for event in expected} == {
        "pending",
        "canceled",
        "updated",
    }
    with stream(shared, after=0, job=slug) as opened:
        received = opened.until_served(log["head"])
    assert [comparable(message) for message in of_events(received)] == expected
    check_marks(received)
    with stream(shared, after=0, job=slug, types="job.run.canceled") as opened:
        received = opened.until_served(log["head"])
    canceled = [event for event in expected if event.type == "job.run.canceled"]
    assert [comparable(message) for message in of_events(received)] == canceled
    with stream(shared, after=0, job=unique()) as opened:
        assert of_events(opened.until_served(log["head"])) == []


async def test_filters_hold_for_what_happens_as_well(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    with stream(shared, job=slug, types="job.run.pending,job.run.canceled") as opened:
        run = shared.launch(slug)
        shared.launch(shared.register()["slug"])
        shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
        head = (await messages_in(shared.database_url))[-1].position
        received = opened.until_served(head)
    messages = of_events(received)
    assert [message["type"] for message in messages] == ["job.run.pending", "job.run.canceled"]
    assert not any("more" in message for message in messages)


def test_the_pong_of_a_filtered_client_moves_on(client: httpx.Client) -> None:
    with stream(client, types="build.updated") as opened:
        head = opened.next()["data"]["head"]
        opened.connection.send("ping")
        assert opened.next()["position"] == head
        client.post(
            "/jobs", json={"slug": "x", "name": "x", "type": "batch", "entryPoint": "x"}
        ).raise_for_status()
        assert opened.until_served(head + 1)[-1]["position"] == head + 1
        assert of_events(opened.received) == []


async def test_schedules_belong_to_the_job_that_they_launch(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    other = shared.register()["slug"]
    for job in (slug, other):
        body = {"id": f"of-{job}", "job": job, "cron": "0 3 1 1 *"}
        shared.client.post("/schedules", json=body).raise_for_status()
    head = (await messages_in(shared.database_url))[-1].position
    with stream(shared, after=0, job=slug, types="schedule.updated") as opened:
        received = of_events(opened.until_served(head))
    jobs = [message["data"]["schedule"]["job"] for message in received]
    assert jobs == [slug]
