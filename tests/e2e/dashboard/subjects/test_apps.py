"""Apps: sought, ingested again, built until a build succeeds, with what each build said."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.catalog.apps import add, built
from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World
from tests.support.building.builds import need_builder
from tests.support.git.repositories import git, repository

BROKEN = "FROM scratch\nCOPY nowhere.txt /\n"
MENDED = "FROM scratch\nCOPY Dockerfile /\n"


@pytest.fixture(scope="module")
def shelf(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the repository of an app whose first build has failed."""
    need_builder()
    return world.once("shelf", lambda: _add_shelf(world, tmp_path_factory.mktemp("apps")))


def _add_shelf(world: World, directory: Path) -> Path:
    origin = repository(directory, {"Dockerfile": BROKEN})
    with world.client as client:
        add(client, origin, id="shelf", name="Shelf", description="Holds books")
        assert built(client, app_id="shelf")["status"] == "failed"
    return origin


def test_an_app_is_found_and_built_until_it_succeeds(
    screen: Screen, world: World, shelf: Path
) -> None:
    page = screen.page
    screen.open("?view=apps")
    search = page.get_by_label("Search apps")
    search.fill("no app of that name")
    search.press("Enter")
    expect(page.get_by_text("No app matches")).to_be_visible()
    search.fill("shelf")
    search.press("Enter")
    expect(page.locator("li.card")).to_have_count(1)
    page.get_by_role("link", name="Shelf").click()

    builds = page.get_by_role("article")
    newest = builds.first.locator(".status")
    expect(newest).to_have_text("failed")
    builds.first.get_by_text("Build log").click()
    expect(builds.first.locator("pre")).to_contain_text("nowhere.txt")
    builds.first.get_by_role("button", name="Build again").click()
    expect(builds).to_have_count(2)
    (shelf / "Dockerfile").write_text(MENDED)
    git(shelf, "commit", "-q", "-am", "mended")
    page.get_by_role("button", name="Build", exact=True).click()
    expect(builds).to_have_count(3)
    expect(newest).to_have_text("succeeded")
    with world.client as client:
        assert built(client, number=3, app_id="shelf")["status"] == "succeeded"


@pytest.mark.usefixtures("shelf")
def test_an_app_is_ingested_again_and_its_history_leads_to_its_cause(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=app&id=shelf")
    entries = page.locator("ol.needs > li")
    expect(entries).to_have_count(3)
    page.get_by_role("button", name="Ingest again").click()
    expect(entries).to_have_count(6)
    for entry, subject in ((entries.last, "repository"), (entries.first, "build")):
        entry.get_by_role("link").click()
        page.locator(".tabs").get_by_role("link", name="Causes").click()
        page.locator(".tree").get_by_role("link", name=subject).first.click()
        expect(page.get_by_role("heading", name="Shelf", level=1)).to_be_visible()
