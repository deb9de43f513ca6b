"""Questions of somebody who is woken at night: three clicks from the overview answer each."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.jobs_of_apphub import nightly_statistics
from tests.e2e.dashboard.service.world import World
from tests.e2e.support import launch, register, wait_for_words

MAX_CLICKS = 3

FAILED = "repository vanished does not exist"

REASON = "the wrong branch"


@dataclass
class Visitor:
    """Somebody who looks at the page, and whose clicks are counted."""

    page: Page
    clicks: int = 0

    def click(self, target: Locator) -> None:
        """Click, once the page shows what to click on."""
        target.first.click()
        self.clicks += 1

    def link(self, name: str | re.Pattern[str], *, within: str = ".screen") -> None:
        """Follow a link."""
        self.click(self.page.locator(within).get_by_role("link", name=name))

    def menu(self, name: str) -> None:
        """Open a page of the navigation."""
        self.link(name, within=".navigation")

    def tab(self, name: str) -> None:
        """Open a part of a page."""
        self.link(name, within=".tabs")

    def run_with(self, status: str, text: str = "") -> None:
        """Open the newest run with a status: two clicks."""
        self.link(status, within=".counts")
        self.click(self.page.locator("tbody tr").filter(has_text=text).locator("a.id"))

    def sees(self, *texts: str, within: str = ".screen") -> None:
        """Find what answers the question."""
        for text in texts:
            expect(self.page.locator(within).first).to_contain_text(text)


@pytest.fixture(scope="module", autouse=True)
def _night(world: World) -> None:
    """Let a worker die, a run be canceled, one wait for a worker, and one be retried."""
    _lose_a_worker(world)
    canceled = world.launch("send-release-notes", app="docs", version="1")
    with world.client as client:
        body = {"reason": REASON}
        client.post(f"/job-runs/{canceled}/cancel", json=body).raise_for_status()
        register(client, "forgotten", "nobody.does_this")
        launch(client, "forgotten")
        [failed] = client.get("/job-runs?job=scan-secrets&status=failed&limit=1").json()["data"]
        path = f"/job-runs/{failed['run']['id']}/retry"
        retried = client.post(path).raise_for_status().json()["data"]["id"]
    world.ended(retried)


def _lose_a_worker(world: World) -> None:
    """Let a worker die in the middle of a run that only this one could take."""
    labels = {"zone": "cellar"}
    entry_point = nightly_statistics.definition["entryPoint"]
    with world.client as client:
        register(client, "count-bottles", entry_point, workerLabels=labels)
        world.start_worker("--label", "zone=cellar", "--lease-s", "3")
        run = launch(client, "count-bottles", parameters={"until_canceled": True})
        wait_for_words(client, run, "row 1")
        world.processes[-1].kill_all()
        ended = world.ended(run)
    assert ended["failureReason"] == "worker_lost"


def what_fails(visitor: Visitor) -> None:
    visitor.sees(FAILED, "scan-secrets")


def how_many_failed_today(visitor: Visitor) -> None:
    visitor.click(visitor.page.get_by_role("button", name="24 h"))
    visitor.sees("failed or expired", within=".trends")


def which_job_fails_most(visitor: Visitor) -> None:
    visitor.sees("scan-secrets", within=".trends tbody tr")


def how_long_a_job_takes_and_waits(visitor: Visitor) -> None:
    visitor.click(visitor.page.locator(".trends").get_by_role("link", name="scan-secrets"))
    visitor.sees("Queue time", "Duration", within=".trends")


def which_runs_failed_so(visitor: Visitor) -> None:
    visitor.link(FAILED)
    visitor.click(visitor.page.locator("li.card").get_by_role("link", name="Runs"))
    visitor.sees("scan-secrets", within="tbody")


def what_the_failing_line_says(visitor: Visitor) -> None:
    visitor.run_with("failed", "scan-secrets")
    visitor.sees(FAILED, "raise PermanentError", "jobs_of_apphub.py")


def what_it_was_launched_with_and_printed(visitor: Visitor) -> None:
    visitor.run_with("failed", "scan-secrets")
    visitor.sees('"repository": "vanished"', "scanning vanished at main")


def whether_a_retry_helped(visitor: Visitor) -> None:
    visitor.run_with("failed", "scan-secrets")
    visitor.click(visitor.page.locator(".facts div").filter(has_text="Retry of").locator("a"))
    visitor.sees("Repeated by")


def who_canceled_and_why(visitor: Visitor) -> None:
    visitor.run_with("canceled", "send-release-notes")
    visitor.sees("anonymous", REASON)


def why_a_run_waits(visitor: Visitor) -> None:
    visitor.run_with("pending", "forgotten")
    visitor.sees("nobody.does_this", within=".explanation")


def what_no_worker_takes(visitor: Visitor) -> None:
    visitor.sees("forgotten waits for a worker")


def what_waits_longest(visitor: Visitor) -> None:
    visitor.sees("Oldest waiting", "forgotten")


def who_works(visitor: Visitor) -> None:
    visitor.sees("slots busy")
    visitor.menu("Workers")
    visitor.sees("alive", within="tbody")


def what_ran_on_the_worker_that_died(visitor: Visitor) -> None:
    visitor.link(re.compile(r"^\d+ workers? lost$"))
    lost = visitor.page.locator("tbody tr").filter(has_text="lost")
    visitor.click(lost.get_by_role("link", name="Its runs"))
    visitor.sees("count-bottles", "stopped answering", within="tbody")


def what_caused_a_run(visitor: Visitor) -> None:
    visitor.run_with("failed", "scan-secrets")
    visitor.tab("Causes")
    visitor.sees("job run", within=".tree")


def what_an_attempt_printed(visitor: Visitor) -> None:
    visitor.run_with("failed", "scan-secrets")
    visitor.tab("Log")
    visitor.sees("scanning vanished at main", within="[role=log]")


def since_when_a_job_is_as_it_is(visitor: Visitor) -> None:
    visitor.menu("Jobs")
    visitor.click(visitor.page.locator("tbody").get_by_role("link", name="Scan for secrets"))
    visitor.tab("Versions")
    visitor.sees("registered")


def which_runs_took_longest(visitor: Visitor) -> None:
    visitor.menu("Runs")
    visitor.page.get_by_label("Sort").select_option("duration")
    visitor.clicks += 1
    visitor.sees("succeeded", within="tbody")


def what_it_looked_like_before(visitor: Visitor) -> None:
    visitor.click(visitor.page.get_by_role("button", name="Look at the past"))
    visitor.click(visitor.page.get_by_role("button", name="1 min back"))
    visitor.sees("You are looking at the past", within="main")


def what_happened_in_which_order(visitor: Visitor) -> None:
    visitor.menu("Log")
    visitor.sees("job_run.")


def what_is_launched_next(visitor: Visitor) -> None:
    visitor.sees("Upcoming")
    visitor.menu("Schedules")
    visitor.sees("Schedules")


QUESTIONS: list[Callable[[Visitor], None]] = [
    what_fails,
    how_many_failed_today,
    which_job_fails_most,
    how_long_a_job_takes_and_waits,
    which_runs_failed_so,
    what_the_failing_line_says,
    what_it_was_launched_with_and_printed,
    whether_a_retry_helped,
    who_canceled_and_why,
    why_a_run_waits,
    what_no_worker_takes,
    what_waits_longest,
    who_works,
    what_ran_on_the_worker_that_died,
    what_caused_a_run,
    what_an_attempt_printed,
    since_when_a_job_is_as_it_is,
    which_runs_took_longest,
    what_it_looked_like_before,
    what_happened_in_which_order,
    what_is_launched_next,
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
def test_a_question_is_answered_within_three_clicks(
    screen: Screen, question: Callable[[Visitor], None]
) -> None:
    screen.open()
    visitor = Visitor(screen.page)
    question(visitor)
    assert visitor.clicks <= MAX_CLICKS
