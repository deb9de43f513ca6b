"""A build follows its run to each end, once; what clients see of it, and what the stream tells."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from catalog.build import Build, BuildTarget
from catalog.follower import BUILT, NO_OUTCOME, CatalogFollower, build_of, follow_build
from catalog.handler_settings import BUILD_ENTRY_POINT
from catalog.repository import App, Repository
from domain.clock import Clock
from domain.errors import ConflictError
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.quarantine import Quarantine
from domain.run_followers import Effect
from tests.unit.given import (
    NOON,
    RUN_ID,
    START_DEADLINE_MS,
    WORKER,
    a_run,
    at,
    failing,
    half,
    new_topics,
)

BUILD_ID = UUID(int=7)

COMMIT = "c" * 40

IMAGE: dict[str, Any] = {
    "commit_sha": COMMIT,
    "git_branch": "main",
    "image_tag": "apphub/shop:cccccccccccc",
    "image_digest": "sha256:1",
}

PORT = Report(context={"launchEnvTemplates": [{"key": "PORT", "value": "80"}]})

IMAGES = [Effect(BUILT, IMAGE)]


def building(run_id: UUID = RUN_ID) -> JobRun:
    run = a_run(id=run_id, entry_point=BUILD_ENTRY_POINT, parameters={"buildId": str(BUILD_ID)})
    run.collect_events()
    return run


def requested(target: BuildTarget | None = None) -> Build:
    return Build.request(BUILD_ID, "Shop", RUN_ID, target or BuildTarget(), NOON)


def an_app() -> Repository:
    return Repository.add(
        App(id="Shop", name="S", description="", repo_url="/s", dockerfile_path="Dockerfile"), NOON
    )


def followed(run: JobRun, build: Build, ms: float, effects: list[Effect] | None = None) -> None:
    follow_build(run, build, an_app(), effects or [], at(ms))
    run.collect_events()


def started(run: JobRun, build: Build, ms: float = 100) -> Holder:
    holder = run.start(WORKER, at(ms))
    followed(run, build, ms)
    return holder


def canceled_while_running(run: JobRun, holder: Holder) -> None:
    run.request_cancel(at(400), None)
    run.confirm_cancel(holder, at(600), "stopped", Report())


ENDINGS: dict[str, tuple[Callable[[JobRun, Holder], object], str, str, str | None]] = {
    "succeeded": (
        lambda run, holder: run.succeed(holder, at(600), None, Report()),
        *("build.succeeded", "succeeded", None),
    ),
    "failed, to be retried": (
        lambda run, holder: failing(run, holder, 600),
        *("build.retry_scheduled", "pending", "boom"),
    ),
    "failed for good": (
        lambda run, holder: run.fail(
            holder, at(600), AttemptFailure("never", permanent=True), Report(), half
        ),
        *("build.failed", "failed", "never"),
    ),
    "timed out": (
        lambda run, holder: run.time_out(holder, at(600), Report(), half),
        "build.retry_scheduled",
        "pending",
        "the attempt ran past its timeoutMs of 5000",
    ),
    "expired by the handler": (
        lambda run, holder: run.expire(holder, at(600), "too old", Report()),
        *("build.failed", "failed", "too old"),
    ),
    "lost": (
        lambda run, holder: run.lose(holder, at(600), "silent", half),
        *("build.retry_scheduled", "pending", "silent"),
    ),
    "handed back": (
        lambda run, holder: run.hand_back(holder, at(600)),
        *("build.retry_scheduled", "pending", "the worker stopped"),
    ),
    "canceled while running": (canceled_while_running, *("build.canceled", "canceled", "stopped")),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_build_follows_its_run_to_each_end(ending: str) -> None:
    act, topic, status, error = ENDINGS[ending]
    run, build = building(), requested()
    holder = started(run, build)
    build.collect_events()
    act(run, holder)
    followed(run, build, 600, IMAGES)
    (event,) = [event for event in build.pending_events if not isinstance(event, Build.CheckedOut)]
    assert (build.status, vars(event).get("error"), event.timestamp) == (status, error, at(600))
    assert new_topics(build)[-1] == topic


@pytest.mark.parametrize("ending", ["succeeded", "failed for good", "canceled while running"])
def test_an_ended_build_stays_as_it_is(ending: str) -> None:
    run, build = building(), requested()
    ENDINGS[ending][0](run, started(run, build))
    followed(run, build, 600, IMAGES)
    build.collect_events()
    again = building(UUID(int=9))
    again.succeed(started(again, build, 700), at(800), None, Report())
    followed(again, build, 800, IMAGES)
    assert new_topics(build) == []


def test_a_run_canceled_before_its_start_cancels_the_build() -> None:
    run, build = building(), requested()
    run.request_cancel(at(300), "not today")
    followed(run, build, 300)
    assert build.status == "canceled"


def test_a_run_that_never_started_in_time_fails_the_build() -> None:
    run, build = building(), requested()
    run.expire_start(at(START_DEADLINE_MS))
    followed(run, build, START_DEADLINE_MS)
    assert build.status == "failed"


def test_a_success_that_says_nothing_fails_the_build() -> None:
    run, build = building(), requested()
    run.succeed(started(run, build), at(600), None, Report())
    followed(run, build, 600)
    (*_, event) = build.pending_events
    assert isinstance(event, Build.Failed)
    assert event.error == NO_OUTCOME


def test_the_commit_is_known_as_soon_as_it_is_reported_and_told_once() -> None:
    run, build = building(), requested()
    holder = started(run, build)
    build.collect_events()
    for ms in (200, 300):
        run.progress(holder, at(ms), Report({"commitSha": COMMIT, "steps": ms}))
        followed(run, build, ms)
    assert build.commit_sha == COMMIT
    assert new_topics(build) == ["build.checked_out"]


def test_a_build_tells_the_app_its_variables_at_once_unless_they_are_known() -> None:
    app = an_app()
    for expected in (["repository.env_templates_read"], []):
        run, build = building(), requested()
        run.progress(started(run, build), at(200), PORT)
        app.collect_events()
        follow_build(run, build, app, [], at(200))
        assert (build.status, new_topics(app)) == ("running", expected)
    assert app.state["launch_env_templates"] == PORT.context["launchEnvTemplates"]


def test_a_build_that_fails_at_once_has_told_the_variables_too() -> None:
    app, run, build = an_app(), building(), requested()
    failure = AttemptFailure("no builder", permanent=True)
    run.fail(started(run, build), at(200), failure, PORT, half)
    follow_build(run, build, app, [], at(200))
    assert build.status == "failed"
    assert new_topics(app)[-1] == "repository.env_templates_read"


def test_only_a_failed_build_is_built_again_and_then_the_same() -> None:
    build = requested(BuildTarget(git_branch="main"))
    with pytest.raises(ConflictError) as refused:
        build.retry_target()
    assert (refused.value.code, str(refused.value)) == (
        "build_not_failed",
        "only failed builds can be retried",
    )
    build.fail("boom", NOON)
    assert build.retry_target() == BuildTarget(git_branch="main", retry_of=str(BUILD_ID))


def test_only_runs_of_the_build_job_with_a_build_have_one() -> None:
    assert build_of(building()) == BUILD_ID
    assert build_of(a_run(parameters={"buildId": str(BUILD_ID)})) is None
    assert build_of(a_run(entry_point=BUILD_ENTRY_POINT, parameters={"buildId": "none"})) is None
    assert build_of(a_run(entry_point=BUILD_ENTRY_POINT, parameters={"buildId": None})) is None


async def test_a_build_starts_and_ends_in_the_very_moments_of_its_run() -> None:
    run, build = building(), requested()

    def no_time() -> datetime:
        raise AssertionError("the run's events have their time")

    class Kept:
        """Holds what is there; whoever asks it for the time asks in vain."""

        def __init__(self) -> None:
            self.clock: Clock = no_time
            self.quarantine = Quarantine()

        def new_id(self) -> UUID:
            raise AssertionError("nothing new is made")

        async def load(
            self, aggregate_class: type[Any], ids: Any, locked: Any = None
        ) -> dict[UUID, Any]:
            return {key: build for key in ids if aggregate_class is Build}

    holder = run.start(WORKER, at(100))
    await CatalogFollower().follow(Kept(), [run], (), None)
    run.collect_events()
    run.fail(holder, at(600), AttemptFailure("never", permanent=True), Report(), half)
    await CatalogFollower().follow(Kept(), [run], (), None)
    [_, begun, failed] = build.pending_events
    assert (begun.timestamp, failed.timestamp) == (at(100), at(600))
