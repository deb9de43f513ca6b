"""Saved views with every kind of event, for a recording."""

from domain.commands.saved_views import SavedViews
from domain.saved_views import ViewContent
from eventlog.saved_views import StoredViews
from tests.support.logs import TESTER, Parts


async def views(part: Parts) -> None:
    """Save two views, change one, and delete the other."""
    views = SavedViews(part.jobs, StoredViews(part.pool))
    failed = ViewContent(["job=report", "status=failed"], "duration")
    await views.save("Störungen: Berichte", failed, TESTER)
    await views.save("Störungen: Berichte", ViewContent(["job=report", "status!=failed"]), TESTER)
    await views.save("once", ViewContent([]), TESTER)
    await views.delete("once", TESTER)
