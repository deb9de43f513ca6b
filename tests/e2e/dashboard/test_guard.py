"""Which environment it is, and that production asks for its name before what cannot be undone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.dashboard.conftest import Screen, opened
from tests.e2e.dashboard.service.world import World
from tests.support.processes import started

RED = "rgb(179, 32, 28)"
GREEN = "rgb(20, 105, 58)"


@pytest.fixture(scope="module")
def production(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one more API of the same world, which calls it production."""
    directory = tmp_path_factory.mktemp("production")
    key = world.data_dir / "subjects.key"
    options = ("--port", "0", "--data-dir", str(directory), "--subject-key", str(key))
    named = ("--environment-name", "production", "--environment-colour", "red")
    variables = {"APPHUB_DATABASE_URL": world.database_url}
    with started("serve", *options, *named, **variables) as api:
        yield api.url()


def _colour(mark: Locator) -> str:
    return str(mark.evaluate("(mark) => getComputedStyle(mark).backgroundColor"))


def test_production_asks_for_its_name_before_a_run_is_canceled(
    production: str, world: World, window: BrowserContext
) -> None:
    run_id = world.launch("send-release-notes", app="web", version="1")
    with opened(window, production) as screen:
        page = screen.page
        screen.open(f"?view=run&id={run_id}")
        mark = page.locator(".environment")
        expect(mark).to_have_text("production")
        assert _colour(mark) == RED
        page.get_by_role("button", name="Cancel").click()
        dialog = page.get_by_role("dialog")
        name = dialog.get_by_label("This is production")
        go = dialog.get_by_role("button", name="Cancel", exact=True)
        expect(go).to_be_disabled()
        name.fill("Production")
        expect(go).to_be_disabled()
        dialog.get_by_label("Reason").press("Enter")
        expect(dialog).to_be_visible()
        name.fill("production")
        go.click()
        expect(page.locator("h1 .status")).to_have_text("canceled")
    assert world.ended(run_id)["status"] == "canceled"


@pytest.mark.usefixtures("views")
@pytest.mark.parametrize(
    ("query", "button"),
    [
        ("?view=job&id=scan-secrets", "Pause …"),
        ("?view=schedule&id=nightly", "Pause …"),
        ("?view=workers", "Drain …"),
        ("?view=runs&job=scan-secrets", "Rerun …"),
        ("?view=failures&job=scan-secrets", "Retry all …"),
    ],
)
def test_production_guards_whatever_cannot_be_undone(
    production: str, window: BrowserContext, query: str, button: str
) -> None:
    with opened(window, production) as screen:
        screen.open(query)
        screen.page.get_by_role("button", name=button).first.click()
        _is_guarded(screen.page)


@pytest.mark.parametrize("button", ["Cancel …", "Retry …"])
def test_production_guards_what_is_done_to_ticked_runs(
    production: str, window: BrowserContext, button: str
) -> None:
    with opened(window, production) as screen:
        page = screen.page
        screen.open("?view=runs&job=scan-secrets")
        page.get_by_label("Select run").first.check()
        page.locator(".selection").get_by_role("button", name=button).click()
        _is_guarded(page)


def _is_guarded(page: Page) -> None:
    """Look at the question that is asked: its answer takes the name; then leave it."""
    dialog = page.get_by_role("dialog")
    why = dialog.get_by_label("Reason")
    name = dialog.get_by_label("This is production")
    expect(name).to_be_visible()
    if why.count() > 0:
        why.fill("a reason alone is not enough")
    go = dialog.locator("button.danger")
    expect(go).to_be_disabled()
    name.fill("production")
    expect(go).to_be_enabled()
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_have_count(0)


def test_elsewhere_nobody_is_asked_for_a_name(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=job&id=scan-secrets")
    mark = page.locator(".environment")
    expect(mark).to_have_text("test")
    assert _colour(mark) == GREEN
    page.get_by_role("button", name="Pause …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("button.danger")).to_be_enabled()
    expect(dialog.get_by_label("This is test")).to_have_count(0)
