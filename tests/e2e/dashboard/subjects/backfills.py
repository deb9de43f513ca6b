"""What a person does on a schedule's page to make up for ticks."""

from datetime import datetime

from playwright.sync_api import Page, expect


def backfill(page: Page, begin: datetime, end: datetime, preview: str = "") -> None:
    """Have past ticks launched, from one second to another, once the page says how many."""
    menu = page.locator("details.menu")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    menu.get_by_label("from", exact=True).fill(_local(begin))
    menu.get_by_label("to", exact=True).fill(_local(end))
    expect(menu.get_by_role("status")).to_contain_text(preview or "will be launched")
    menu.get_by_role("button", name="Backfill").click()


def _local(at: datetime) -> str:
    """Write a moment as a browser does in a field: without seconds where there are none."""
    text = at.astimezone().replace(tzinfo=None).isoformat(timespec="seconds")
    return text.removesuffix(":00")
