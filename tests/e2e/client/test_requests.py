"""What a client asks of a service at work, and what it makes of the answers."""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from apphub_jobs import AsyncClient, Client
from apphub_jobs.client import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RunCanceledError,
    RunDocument,
    RunFailedError,
    StatisticsDocument,
    UnreachableError,
    WaitTimeoutError,
)
from tests.integration.shared_api import unique
from tests.support.handlers.typed import Seen, Window, look, look_later, misplaced, tell
from tests.support.processes import eventually


@pytest.fixture(autouse=True)
def _registered(client: Client) -> None:
    for job in (look, look_later, misplaced, tell):
        client.apply(job)


def test_a_decorated_job_is_launched_and_its_result_is_of_its_type(client: Client) -> None:
    run = client.launch(look, window=Window(first=date(2026, 11, 25), days=2))
    assert (run.slug, run.status) == ("look", "pending")
    assert run.document.parameters == {"window": {"first": "2026-11-25", "days": 2}}
    assert run.result(timeout=90) == Seen(date(2026, 11, 27), 1)
    assert run.status == "succeeded"
    assert client.launch(look_later, Window(first=date(2026, 1, 1))).result() == date(2026, 1, 1)


async def test_the_same_can_be_awaited(service_url: str) -> None:
    async with AsyncClient(service_url) as client:
        run = await client.launch("look-later", {"window": {"first": "2026-11-25"}})
        assert await run.result(timeout=90) == "2026-11-25"
        assert await run.result(date) == date(2026, 11, 25)
        assert [event["type"] for event in await run.events()][-1] == ("job_run.succeeded")
        run_ids = [one.id async for one in client.runs(job="look-later")]
        assert run.id in run_ids


class Last(BaseModel):
    last: date


def test_a_result_is_validated_into_a_given_model(client: Client) -> None:
    run = client.launch("look", window={"first": "2026-11-25"})
    assert run.result(Last) == Last(last=date(2026, 11, 26))
    with pytest.raises(ValidationError):
        run.result(int)


def test_a_run_that_ends_otherwise_is_an_error_that_tells_how(client: Client) -> None:
    run = client.launch(misplaced)
    with pytest.raises(RunFailedError, match=r"misplaced failed: .*days\[1\]") as raised:
        run.result(timeout=90)
    ended: RunDocument = raised.value.run
    assert (ended.id, ended.failure_reason) == (run.id, "invalid_result")
    delayed = client.options(delay="1h", context={"why": "test"}).launch(misplaced)
    assert delayed.document.context == {"why": "test"}
    assert delayed.cancel("changed my mind").is_final
    with pytest.raises(RunCanceledError, match="canceled: changed my mind"):
        delayed.result()
    again = delayed.retry()
    assert again.document.context["retryOf"] == delayed.id


def test_waiting_ends_in_time_and_can_go_on(client: Client) -> None:
    run = client.options(delay="1h").launch(misplaced)
    with pytest.raises(WaitTimeoutError, match=r"is pending after 0\.2 s; it goes on"):
        run.wait(0.2)
    run.cancel()
    assert run.wait(0.2).status == "canceled"


def test_a_log_is_followed_attempt_by_attempt(client: Client, tmp_path: Path) -> None:
    until = tmp_path / "until"
    run = client.launch(tell, lines=3, until=str(until))
    with closing(run.logs(follow=True)) as lines:
        first = next(lines)
        assert first.endswith("line 0 of 1: \u2028é")
        until.touch()
        others = list(lines)
    assert [line.split(" ", 1)[1] for line in others][:2] == [
        "line 1 of 1: \u2028é",
        "line 2 of 1: \u2028é",
    ]
    assert "ValueError: not yet" in others[-1]
    assert run.result(timeout=90) == 3
    assert run.document.progress == 1
    assert [attempt["outcome"] for attempt in run.attempts()] == ["failed", "succeeded"]
    assert len(list(run.logs())) == 3


def test_runs_are_listed_page_by_page(client: Client) -> None:
    slug = unique("listed")
    client.register({"slug": slug, "name": slug, "type": "manual", "entryPoint": "nowhere"})
    ids = [client.options(delay="1h").launch(slug).id for _ in range(53)]
    client.run(ids[0]).cancel()
    assert [run.id for run in client.runs(job=slug)] == ids[::-1]
    pending = client.runs(job=slug, status=["pending", "running"])
    assert [run.id for run in pending] == ids[:0:-1]
    where = ["status!=canceled", "status!=failed", f"job={slug}"]
    assert [run.id for run in client.runs(where=where)] == ids[:0:-1]
    with pytest.raises(ValueError, match="NAME=VALUE"):
        list(client.runs(where=["canceled"]))
    with pytest.raises(InvalidRequestError, match="did you mean status"):
        list(client.runs(where=["stauts=canceled"]))
    assert [run.status for run in client.runs(job=slug, status="canceled")] == ["canceled"]


def test_what_became_of_runs_is_counted_and_found(client: Client) -> None:
    run = client.launch(misplaced)
    assert run.wait(90).status == "failed"
    again = run.retry()
    again.wait(90)

    def counted() -> StatisticsDocument | None:
        buckets = client.statistics(bucket="1d", job=["misplaced", "nobody"], by_job=True)
        return buckets if sum(bucket.ended["failed"] for bucket in buckets.buckets) > 1 else None

    statistics = eventually(counted, what="counts of both runs")
    bucket = statistics.buckets[-1]
    assert (bucket.job, statistics.bucket_ms) == ("misplaced", 86_400_000)
    assert statistics.begin <= bucket.at < statistics.end
    assert bucket.duration_ms["p50"] is not None
    past = client.statistics(as_of=1)
    assert (past.buckets, past["asOf"]) == ([], 1)

    related = eventually(lambda: run.related() if run.related().failure_group else None, what="it")
    assert [one.id for one in related.retries] == [again.id]
    assert related.bulk_operation is None
    group = related.failure_group
    assert group is not None
    [times] = client.failures.over_time([group.fingerprint, "unknown"], bucket="1h")
    assert sum(one["failures"] for one in times.buckets) >= 1
    assert times.since < datetime.now(UTC)

    schedule = {"id": unique(), "job": "misplaced", "cron": "0 0 1 1 *"}
    client.schedules.create(schedule)
    triggered = client.schedules.trigger(schedule["id"])
    names = [schedule["id"], *(unique() for _ in range(150))]
    [of_schedule] = client.schedules.runs(names, last=1)
    assert (of_schedule.schedule, sum(of_schedule.counts.values())) == (schedule["id"], 1)
    assert [one["id"] for one in of_schedule.last] == [triggered.id]


def test_a_view_is_saved_and_lists_its_runs(client: Client) -> None:
    name = f"{unique()} / 100 %"
    delayed = client.options(delay="1h").launch(misplaced)
    view = client.views.save(name, ["job=misplaced", "status=pending"])
    assert view in list(client.views.each())
    assert delayed.id in {run.id for run in client.runs(where=view.filter, sort=view.sort)}
    delayed.cancel()
    assert (view.name, view.saved_by) == (name, "anonymous")
    assert client.views.delete(name).updated_at >= view.updated_at
    with pytest.raises(NotFoundError):
        client.views.delete(name)
    with pytest.raises(InvalidRequestError, match="did you mean status"):
        client.views.save(name, ["stauts=failed"])


def test_applying_makes_a_version_only_where_something_changes(client: Client) -> None:
    slug = unique()
    definition = {
        "slug": slug,
        "name": "One",
        "type": "batch",
        "entryPoint": "nowhere",
        "timeoutMs": 5_000,
        "priority": 3,
    }
    assert client.apply(definition).version == 1
    assert client.apply(definition).version == 1
    del definition["timeoutMs"], definition["priority"]
    revised = client.apply(definition | {"name": "Two"})
    assert (revised.version, revised.name) == (2, "Two")
    assert (revised.timeout_ms, revised.priority) == (None, 0)
    assert client.job(slug) == revised
    assert revised in client.jobs()
    assert client.revise(slug, {"name": "Three"}).version == 3


def test_what_the_service_refuses_is_an_error_in_its_words(client: Client) -> None:
    with pytest.raises(NotFoundError, match="job not found") as missing:
        client.launch(unique())
    assert missing.value.code == "job_not_found"
    with pytest.raises(InvalidRequestError, match="/parameters/window") as invalid:
        client.launch("look", window=3)
    assert invalid.value.issues[0]["keyword"] == "type"
    with pytest.raises(ConflictError):
        client.register(look)
    client.options(idempotency_key="once", delay="1h").launch(misplaced).cancel()
    with pytest.raises(ConflictError):
        client.options(idempotency_key="once", delay="2h").launch(misplaced)
    with pytest.raises(TypeError, match="missing a required argument: 'window'"):
        client.launch(look)  # type: ignore[call-overload]


def test_nobody_at_the_address_is_told_with_what_to_do() -> None:
    with Client("http://127.0.0.1:9", retry_for=0.3) as client:
        with pytest.raises(UnreachableError, match=r"cannot reach .*:9 .*apphub-jobs up"):
            client.jobs()
        with pytest.raises(UnreachableError, match="or set APPHUB_URL"):
            next(client.stream())
    with pytest.raises(ValueError, match="'localhost:4000' is no address"):
        Client("localhost:4000")


def test_the_address_and_the_token_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, service_url: str
) -> None:
    monkeypatch.setenv("APPHUB_URL", service_url + "/")
    monkeypatch.setenv("APPHUB_TOKEN", "secret")
    with Client() as client:
        assert client.url == service_url
        assert client.request("GET", "/health") == {"status": "ok"}
