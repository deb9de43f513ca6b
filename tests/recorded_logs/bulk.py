"""Bulk operations with every kind of event, for a recording."""

from domain.bulk import Order
from domain.commands.bulk import BulkOperations, BulkSteps
from domain.jobs.launching import Launch
from eventlog.history.as_of import PastRunSelector
from tests.support.logs import TESTER, Parts


async def bulk(part: Parts) -> None:
    """Cancel two runs, fail to launch them anew, and think better of a third order."""
    selected = PastRunSelector(part.pool, part.files)
    operations = BulkOperations(part.jobs, selected)
    steps = BulkSteps(part.jobs, selected)
    for _ in range(2):
        await part.jobs.launch("once", Launch(delay_ms=3_600_000), TESTER)
    orders = [
        Order(action="cancel", filter=["job=once"], reason="no longer needed"),
        Order(action="rerun", filter=["job=once"], reason="other days", patch={"day": 7}),
        Order(action="retry", filter=["all"], reason="by mistake"),
    ]
    for order in orders:
        started = await operations.start(order, TESTER)
        operation_id = started.operation_id
        if order.reason == "by mistake":
            await operations.abort(operation_id, "a mistake", TESTER)
        while await steps.process_next(operation_id) is not None:
            pass
