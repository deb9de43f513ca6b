"""A user's tests of jobs against a real service whose clock they move."""

from datetime import UTC, datetime, timedelta

import pytest

from apphub_jobs.client import RunExpiredError
from apphub_jobs.testing import JobService
from tests.e2e.testing.jobs import alone, double, parent, sleepy, third_time_lucky
from tests.support.processes import eventually

BUILT_IN = ["repository-build", "repository-ingest"]

pytestmark = pytest.mark.timeout(240)


def is_running(service: JobService, run_id: str) -> bool:
    return service.client.run(run_id).status == "running"


def test_a_job_is_run_to_its_end(service: JobService) -> None:
    assert service.run(double, n=4).result() == 8
    service.assert_launched(double, times=1, parameters={"n": 4})
    with pytest.raises(AssertionError, match=r"double should .* at least once .*'n': 5"):
        service.assert_launched("double", parameters={"n": 5})


@pytest.mark.parametrize("time", [1, 2])
def test_each_test_finds_the_service_empty(service: JobService, time: int) -> None:
    assert [job.slug for job in service.client.jobs()] == BUILT_IN
    assert list(service.client.runs()) == []
    assert abs(service.now - datetime.now(UTC)) < timedelta(minutes=1)
    service.advance(days=time)
    assert service.run(double, n=time).result() == 2 * time


def test_what_a_job_launches_is_drained_and_asserted(service: JobService) -> None:
    service.apply(double)
    service.launch(parent, url=service.client.url, times=3)
    service.drain()
    service.assert_launched(double, times=3)
    service.assert_launched(double, times=1, parameters={"n": 2})
    with pytest.raises(AssertionError, match=r"2 times with \{\}, but was 3 times"):
        service.assert_launched(double, times=2)


def test_delays_and_back_offs_pass_by_moving_the_clock(service: JobService) -> None:
    service.apply(third_time_lucky)
    launcher = service.client.options(delay="3h")
    run = launcher.launch(third_time_lucky)
    service.drain()
    assert run.refresh().status == "pending"
    service.advance(hours=2.9)
    service.drain()
    assert run.refresh().started_at is None
    for attempt, back_off in ((1, 1), (2, 2)):
        service.advance(hours=back_off if attempt > 1 else 0.2)
        service.drain()
        again = run.refresh()
        assert (again.status, again.attempt) == ("pending", attempt + 1)
        left = again.scheduled_at - service.now
        hours = timedelta(hours=attempt)
        assert hours - timedelta(minutes=5) < left <= hours
    service.advance(hours=1.9)
    service.drain()
    assert run.refresh().status == "pending"
    service.advance(hours=0.1)
    assert run.result(timeout=90) == 3


def test_a_timeout_passes_by_moving_the_clock(service: JobService) -> None:
    run = service.launch(sleepy)
    eventually(lambda: is_running(service, run.id), what="the run's start")
    service.advance(hours=1.9)
    assert is_running(service, run.id)
    service.advance(hours=0.2)
    with pytest.raises(RunExpiredError, match="timeoutMs of 7200000"):
        run.result(timeout=90)
    duration_ms = run.document.duration_ms
    assert duration_ms is not None
    assert duration_ms > 7_200_000


def test_a_start_deadline_passes_by_moving_the_clock(service: JobService) -> None:
    first = service.launch(alone, n=1)
    eventually(lambda: is_running(service, first.id), what="the run's start")
    second = service.launch(alone, n=2)
    service.advance(hours=1.1)
    assert second.wait(60).failure_reason == "start_deadline"
    assert is_running(service, first.id)
    with pytest.raises(TimeoutError, match=r"still alone \(running, attempt 1\)"):
        service.drain(timeout=0.2)
