"""A run's page: attempts and runs compared, the same launch elsewhere, a log taken along."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen, World

RUN_ID = r"[0-9a-f-]{36}"


def test_attempts_stand_beside_each_other_each_with_its_log(
    screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open(f"?view=run&id={world.retried_run}")
    attempts = page.get_by_role("table", name="Attempts").get_by_role("row")
    expect(attempts).to_have_count(3)
    expect(attempts.nth(1)).to_contain_text("Attempt 1")
    expect(attempts.nth(1)).to_contain_text("failed")
    expect(attempts.nth(1)).to_contain_text("the browser did not answer")
    expect(attempts.nth(2)).to_contain_text("Attempt 2")
    expect(attempts.nth(2)).to_contain_text("succeeded")
    expect(attempts.nth(2)).not_to_contain_text("the browser did not answer")
    page.get_by_role("link", name="Log", exact=True).last.click()
    page.get_by_label("Attempts").select_option("Attempt 1")
    expect(page.get_by_role("log")).to_contain_text("ConnectionError")
    page.get_by_label("Attempts").select_option("Attempt 2")
    expect(page.get_by_role("log")).not_to_contain_text("ConnectionError")


def test_a_run_is_compared_with_another(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 404.
    page = screen.page
    one, other = [
        world.launch("scan-secrets", repository="docs", depth=depth) for depth in (1, 4)
    ]
    for run_id in (one, other):
        world.ended(run_id)
    screen.open(f"?view=run&id={one}&tab=data")
    compared = page.locator("section", has_text="Compare with another run")
    box = page.get_by_label("Id of the other run")
    box.fill(other)
    compared.get_by_role("button", name="Go").click()
    differs = compared.locator(".differences > div")
    depth = differs.filter(has_text="parameters.depth")
    expect(depth.locator("del")).to_have_text("1")
    expect(depth.locator("ins")).to_have_text("4")
    expect(differs.filter(has_text="result").locator("ins")).to_have_text("4")
    expect(differs.filter(has_text="repository")).to_have_count(0)
    assert f"compare={other}" in page.url
    page.reload()
    expect(depth.locator("ins")).to_have_text("4")
    box.fill(one)
    compared.get_by_role("button", name="Go").click()
    expect(compared.get_by_text("They do not differ.")).to_be_visible()
    box.fill("nobody")
    compared.get_by_role("button", name="Go").click()
    expect(compared.get_by_role("alert")).to_contain_text("run_not_found")


@pytest.mark.parametrize("way", ["curl", "CLI", "Python"])
def test_what_is_copied_launches_the_same_wherever_it_is_pasted(
    screen: Screen, world: World, tmp_path: Path, way: str
) -> None:
    page = screen.page
    parameters = {"repository": 'it\'s "$HOME" \\n ü', "depth": 2, "branch": "next"}
    run_id = world.launch("scan-secrets", **parameters)
    world.ended(run_id)
    allowed = ["clipboard-read", "clipboard-write"]
    page.context.grant_permissions(allowed, origin=world.url)
    screen.open(f"?view=run&id={run_id}")
    page.get_by_text("Copy as").click()
    page.get_by_role("button", name=f"Copy: {way}").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    before = _newest(world)
    _paste(text, way, tmp_path)
    again = _newest(world)
    assert again not in {before, run_id}
    assert world.ended(again)["parameters"] == parameters


def _newest(world: World) -> str:
    with world.client as client:
        [newest] = client.get("/job-runs?job=scan-secrets&limit=1").json()["data"]
    return str(newest["run"]["id"])


def _paste(text: str, way: str, directory: Path) -> None:
    """Run what was copied, where nothing else says at which address the service is."""
    command = ["sh", "-c", text]
    if way == "Python":
        command = [sys.executable, "-c", text]
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": programs, "HOME": str(directory)}
    done = subprocess.run(
        command,
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    if way == "curl":
        assert json.loads(done.stdout)["data"]["status"] == "pending"


def test_a_log_is_downloaded_whole(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open(f"?view=run&id={world.retried_run}&tab=log")
    page.get_by_label("Attempts").select_option("Attempt 2")
    expect(page.get_by_role("log")).to_contain_text("page 1 of storefront")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    download = downloading.value
    assert download.suggested_filename == f"{world.retried_run}-2.log"
    with world.client as client:
        path = f"/job-runs/{world.retried_run}/logs"
        told = client.get(path, params={"attempt": 2}).text
    assert Path(download.path()).read_text() == told
