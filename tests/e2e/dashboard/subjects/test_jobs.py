"""A job's page: paused, launched as JSON and for later, revised only where that makes sense."""

import json
import re
from datetime import datetime, timedelta

from playwright.sync_api import expect

from domain.json_values import JsonObject
from tests.e2e.dashboard.conftest import NARROW, Screen
from tests.e2e.dashboard.service.world import World

REASON = "the scanner is being mended"

NESTED: JsonObject = {
    "type": "object",
    "properties": {
        "target": {
            "type": "object",
            "title": "Target",
            "properties": {
                "host": {"type": "string", "title": "Host"},
                "port": {"type": "integer", "title": "Port", "maximum": 65_535},
            },
            "required": ["host"],
        },
        "extra": {"title": "Extra"},
        "steps": {"title": "Steps", "type": "array", "items": {}},
        "codes": {
            "title": "Codes",
            "anyOf": [
                {"type": "array", "items": {"type": kind}, "title": kind}
                for kind in ("integer", "string")
            ],
        },
        "prefix": {"title": "Prefix", "type": "string", "default": "v"},
    },
}


def test_a_paused_job_says_so_wherever_it_is_seen_until_it_is_resumed(
    screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open("?view=job&id=scan-secrets")
    page.get_by_role("button", name="Pause …").click()
    dialog = page.get_by_role("dialog", name="Pause scan-secrets")
    dialog.get_by_label("Reason").fill(REASON)
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".announcer")).to_have_text("scan-secrets is paused")
    note = page.locator(".note")
    for text in ("paused", "anonymous", REASON):
        expect(note).to_contain_text(text)
    run_id = world.launch("scan-secrets", repository="later")

    screen.open("?view=jobs")
    row = page.get_by_role("row").filter(has_text="scan-secrets")
    expect(row.locator(".status")).to_have_text("paused")
    search = page.get_by_label("Search jobs")
    search.fill("SECR")
    expect(page.locator("tbody tr")).to_have_count(1)
    search.fill("no such job")
    page.get_by_role("button", name="Show all jobs").click()
    expect(search).to_have_value("")
    expect(page.locator("tbody tr")).not_to_have_count(1)
    screen.open()
    needs = page.get_by_role("listitem").filter(has_text="scan-secrets is paused")
    expect(needs).to_contain_text(REASON)
    screen.open(f"?view=run&id={run_id}")
    expect(page.locator(".explanation")).to_contain_text(REASON)
    expect(page.locator("h1 .status")).to_have_text("pending")

    screen.open("?view=job&id=scan-secrets")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause …")).to_be_visible()
    expect(note).to_have_count(0)
    assert world.ended(run_id)["status"] == "succeeded"


def test_to_think_better_of_it_pauses_nothing(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open("?view=job&id=scan-secrets")
    page.get_by_role("button", name="Pause …").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    with world.client as client:
        job = client.get("/jobs/scan-secrets").json()["data"]["job"]
    assert job["paused"] is None


def test_a_launch_is_written_as_fields_or_as_json_and_waits_its_time(
    screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open("?view=job&id=send-release-notes")
    page.get_by_role("button", name="Launch").click()
    form = page.locator("form.launch")
    form.get_by_label("App").fill("json")
    channels = form.get_by_role("group", name="Channels")
    for index, channel in enumerate(("news", "mail", "chat"), start=1):
        channels.get_by_role("button", name="Add").click()
        channels.get_by_label(str(index)).fill(channel)
    channels.get_by_role("button", name="Remove").nth(1).click()
    written = form.get_by_label("Parameters")
    parameters = json.loads(written.input_value())
    assert parameters == {"app": "json", "channels": ["news", "chat"]}
    launch = form.get_by_role("button", name="Launch")
    written.fill("no JSON")
    launch.click()
    expect(form.get_by_role("alert")).to_have_text("This is not a JSON object.")
    expect(form.get_by_label("App")).to_be_disabled()  # Or what is written would be thrown away.
    written.fill(json.dumps({**parameters, "version": "4"}))
    expect(form.get_by_label("Version")).to_have_value("4")
    page.set_viewport_size(NARROW)  # No two of them fit beside each other.
    expect(form.get_by_label("Version")).to_have_count(0)
    written.fill(json.dumps({**parameters, "version": "5"}))
    form.get_by_label("As JSON").uncheck()
    expect(written).to_have_count(0)
    expect(form.get_by_label("Version")).to_have_value("5")
    form.get_by_text("Options").click()
    form.get_by_label("Delay in ms").fill("86400000")
    launch.click()
    expect(page.locator("h1 .status")).to_have_text("pending")
    run_id = page.locator("h1 .id").inner_text()
    with world.client as client:
        run = client.post(f"/job-runs/{run_id}/cancel").raise_for_status().json()
        run = client.get(f"/job-runs/{run_id}").json()["data"]["run"]
    assert run["parameters"] == {**parameters, "version": "5"}
    created, due = (datetime.fromisoformat(run[name]) for name in ("createdAt", "scheduledAt"))
    assert due - created == timedelta(days=1)


def test_a_revision_that_makes_no_sense_says_why(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    screen.open("?view=job&id=nightly-statistics")
    page.locator(".tabs").get_by_role("link", name="Revise").click()
    written = page.get_by_label("Definition", exact=True)
    before = written.input_value()
    make = page.get_by_role("button", name="Create the new version")
    problem = page.get_by_role("alert")
    for text, message in (
        (before, "Nothing has been changed yet."),
        ("no JSON", "This is not a JSON object."),
        (before.replace('Runs": 2', 'Runs": -2'), "maxConcurrentRuns"),
    ):
        written.fill(text)
        make.click()
        expect(problem).to_contain_text(message)
    with world.client as client:
        job = client.get("/jobs/nightly-statistics").json()["data"]["job"]
    assert job["version"] == 1
    page.locator(".tabs").get_by_role("link", name="Versions").click()
    expect(page.get_by_role("heading", name="registered · version 1")).to_be_visible()
    page.locator(".tabs").get_by_role("link", name="Definition").click()
    expect(page.locator(".facts")).to_contain_text("≤ 2 at a time")


def test_fields_within_fields_and_of_any_kind_are_launched(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    job = {
        "slug": "configure",
        "name": "Configure",
        "type": "manual",
        "entryPoint": "nobody.does_this",
        "parametersSchema": NESTED,
    }
    with world.client as client:
        client.post("/jobs", json=job).raise_for_status()
        screen.open("?view=job&id=configure")
        expect(page.get_by_text("apphub-jobs run configure key=value")).to_be_visible()
        page.get_by_role("button", name="Launch").click()
        form = page.locator("form.launch")
        target = form.get_by_role("group", name="Target")
        target.get_by_label("Host").fill("example.org")
        port = target.get_by_label("Port")
        port.fill("70000")
        form.get_by_label("Extra").fill('[1, {"deep": null}]')
        steps = form.get_by_role("group", name="Steps")
        for place, step in enumerate(("{}", "[2", "3"), start=1):
            steps.get_by_role("button", name="Add").click()
            steps.get_by_label(str(place)).fill(step)
        steps.get_by_role("button", name="Remove").first.click()
        expect(steps.get_by_label("1")).to_have_value('"[2"')  # Nobody takes it for a list.
        codes = form.get_by_role("group", name="Codes", exact=True)
        kind = codes.get_by_label("Codes kind")
        kind.select_option("integer")
        codes.get_by_role("button", name="Add").click()
        codes.get_by_label("1").press("Backspace")
        expect(codes.get_by_label("1")).to_be_focused()
        kind.select_option("string")
        codes.get_by_role("button", name="Add").click()
        codes.get_by_label("1").fill("007")
        form.get_by_label("Prefix").fill("")
        launch = form.get_by_role("button", name="Launch")
        launch.click()
        expect(port).to_have_attribute("aria-invalid", "true")
        expect(port).to_be_focused()
        expect(target.locator(".problem")).to_contain_text("65535")
        port.fill("8080")
        launch.click()
        expect(page.locator("h1 .status")).to_have_text("pending")
        run_id = page.locator("h1 .id").inner_text()
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
        run = client.get(f"/job-runs/{run_id}").json()["data"]["run"]
        client.delete("/jobs/configure").raise_for_status()
    assert run["parameters"] == {
        "target": {"host": "example.org", "port": 8080},
        "extra": [1, {"deep": None}],
        "steps": ["[2", 3],
        "codes": ["007"],
        "prefix": "",
    }


def test_what_is_typed_stays_when_another_version_of_the_job_arrives(
    screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open("?view=job&id=scan-secrets&tab=launch")
    page.get_by_label("Repository").fill("half-written")
    with world.client as client:
        job = client.get("/jobs/scan-secrets").json()["data"]["job"]
        revised = {"timeoutMs": 61_000}
        client.patch("/jobs/scan-secrets", json=revised).raise_for_status()
    version = page.locator(".screen-head p")
    expect(version).to_contain_text(f"version {job['version'] + 1}")
    expect(page.get_by_label("Repository")).to_have_value("half-written")
    tabs = page.locator(".tabs")
    tabs.get_by_role("link", name="Revise").click()
    revision = page.get_by_label("Definition", exact=True)
    revision.fill("{half-written}")
    with world.client as client:
        client.patch("/jobs/scan-secrets", json={"timeoutMs": 62_000}).raise_for_status()
    newer = f"version {job['version'] + 2} meanwhile"
    expect(page.get_by_role("status").filter(has_text=newer)).to_be_visible()
    expect(revision).to_have_value("{half-written}")
    page.get_by_role("button", name="Discard").click()
    expect(revision).to_have_value(re.compile('"timeoutMs": 62000'))
    tabs.get_by_role("link", name="Launch").click()
    expect(page.get_by_label("Repository")).to_have_value("half-written")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Repository")).to_have_value("")


EVERY_KIND: JsonObject = {
    "type": "object",
    "$defs": {
        "Mail": {
            "title": "Mail",
            "type": "object",
            "properties": {"kind": {"const": "mail"}, "to": {"type": "string", "format": "email"}},
            "required": ["kind", "to"],
        },
        "Chat": {
            "title": "Chat",
            "type": "object",
            "properties": {"kind": {"const": "chat"}, "channel": {"type": "string"}},
            "required": ["kind", "channel"],
        },
    },
    "properties": {
        "text": {"type": "string"},
        "short": {"type": "string", "maxLength": 20},
        "password": {"type": "string", "writeOnly": True},
        "day": {"type": "string", "format": "date"},
        "moment": {"type": "string", "format": "date-time"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number"},
        "is_dry": {"type": "boolean", "default": True},
        "level": {"enum": ["low", "high", 3, None]},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "notify": {"oneOf": [{"$ref": "#/$defs/Mail"}, {"$ref": "#/$defs/Chat"}]},
        "notified": {"type": "array", "items": {"$ref": "#/$defs/Chat"}},
        "names": {"type": "object", "additionalProperties": {"type": "integer"}},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        "anything": {},
    },
}

GIVEN: JsonObject = {
    "text": "two\nlines\t\u202e",
    "short": "also\ntwo",
    "password": "s3cret",
    "day": "2026-12-24",
    "moment": "2026-12-24T18:00:00.123456+01:00",
    "count": 3,
    "share": 0.25,
    "is_dry": False,
    "level": None,
    "either": 7,
    "maybe": None,
    "notify": {"kind": "chat", "channel": "news"},
    "notified": [{"kind": "chat", "channel": "#1"}],
    "names": {"a": 1},
    "pair": ["x", 2],
    "anything": {"deep": [None, True]},
    "not in the schema": [1, 2],
}


def test_a_run_is_launched_again_as_it_was(screen: Screen, world: World) -> None:
    """Every kind of value goes from JSON to its field and back, and options are kept."""
    page = screen.page
    job = {
        "slug": "every-kind",
        "name": "Every kind",
        "type": "manual",
        "entryPoint": "nobody.does_this",
        "parametersSchema": EVERY_KIND,
    }
    launch = {"timeoutMs": 77_000, "priority": 5, "maxAttempts": 4, "context": {"team": "red"}}
    request = {"parameters": GIVEN, **launch, "startDeadlineMs": 3_600_000}
    with world.client as client:
        client.post("/jobs", json=job).raise_for_status()
        first = client.post("/jobs/every-kind/run", json=request)
        run_id = first.raise_for_status().json()["data"]["id"]
        screen.open(f"?view=run&id={run_id}")
        page.get_by_role("button", name="Edit and rerun").click()
        form = page.locator("form.launch")
        expect(form.get_by_label("password")).to_have_attribute("type", "password")
        expect(form.get_by_text("1 to 9")).to_be_visible()
        form.get_by_label("channel").first.fill("changed")
        form.get_by_role("button", name="Launch").click()
        expect(page.locator("h1 .id")).not_to_have_text(run_id)
        new = page.locator("h1 .id").inner_text()
        run = client.get(f"/job-runs/{new}").json()["data"]["run"]
        [requested] = client.get(f"/job-runs/{new}/events?limit=1").json()["data"]
        for pending in (run_id, new):
            client.post(f"/job-runs/{pending}/cancel").raise_for_status()
    assert run["parameters"] == {**GIVEN, "notify": {"kind": "chat", "channel": "changed"}}
    kept = {name: run[name] for name in ("timeoutMs", "priority", "maxAttempts")}
    assert kept == {name: launch[name] for name in kept}
    assert run["context"] == {"team": "red", "rerunOf": run_id}
    named = ("scheduled_at", "start_deadline_at")
    due, last = (datetime.fromisoformat(requested["data"][name]) for name in named)
    assert last - due == timedelta(hours=1)
    expect(page.locator(".facts")).to_contain_text("Rerun of")


def test_erased_values_are_not_launched_again(screen: Screen, world: World) -> None:
    page = screen.page
    mark = {"type": "string", "x-subject": "customer"}
    schema = {"properties": {"customer": mark, "day": {"type": "string"}}, "required": ["customer"]}
    job = {
        "slug": "remind",
        "name": "Remind",
        "type": "manual",
        "entryPoint": "nobody.does_this",
        "parametersSchema": {"type": "object", **schema},
    }
    with world.client as client:
        client.post("/jobs", json=job).raise_for_status()
        run_id = world.launch("remind", customer="erased-in-the-dashboard", day="monday")
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
        erasure = {"subject": "erased-in-the-dashboard"}
        client.post("/subjects/erase", json=erasure).raise_for_status()
        screen.open(f"?view=run&id={run_id}")
        page.get_by_role("button", name="Edit and rerun").click()
        form = page.locator("form.launch")
        expect(form.locator(".note")).to_contain_text("these fields are empty: customer")
        expect(form.get_by_label("customer")).to_have_value("")
        expect(form.get_by_label("day")).to_have_value("monday")
        form.get_by_label("customer").fill("another")
        form.get_by_role("button", name="Launch").click()
        expect(page.locator("h1 .id")).not_to_have_text(run_id)
        new = page.locator("h1 .id").inner_text()
        run = client.post(f"/job-runs/{new}/cancel").raise_for_status().json()["data"]
        client.delete("/jobs/remind").raise_for_status()
    assert run["parameters"] == {"customer": "another", "day": "monday"}


def test_a_rerun_takes_nothing_from_attempts_of_the_first_run(screen: Screen, world: World) -> None:
    """Neither when the last one was due, nor the traceback of one that failed."""
    with world.client as client:
        run = client.get(f"/job-runs/{world.retried_run}").json()["data"]["run"]
    assert run["scheduledAt"] > run["createdAt"]
    screen.open(f"?view=run&id={world.retried_run}")
    screen.page.get_by_role("button", name="Edit and rerun").click()
    form = screen.page.locator("form.launch")
    expect(form.get_by_label("App")).to_have_value("storefront")
    expect(form.get_by_label("Delay in ms")).to_have_value("")
    run_id = world.launch("scan-secrets", repository="private-rerun")
    assert "stack" in world.ended(run_id)["context"]
    screen.open(f"?view=run&id={run_id}")
    screen.page.get_by_role("button", name="Edit and rerun").click()
    expect(form.get_by_label("Repository")).to_have_value("private-rerun")
    expect(form.get_by_label("Context")).to_have_value("")
