"""Whether a log that is not found here has been written elsewhere, and by whom."""

from domain.errors import NotFoundError
from eventlog.workers.heartbeats import Heartbeats


async def refuse_logs_elsewhere(
    heartbeats: Heartbeats, worker_id: str, here: str | None
) -> None:
    """Say so where a worker's log is not empty but out of reach.

    Raises:
        NotFoundError: the worker has another data directory or store.
    """
    writer = await heartbeats.writer_of_logs(worker_id)
    if writer is None or writer["logs_at"] in {None, here}:
        return
    where = "another data directory or store of logs than this API"
    message = (
        f"the log is with the worker {worker_id} on {writer['host']}, which has {where};"
        " start both with the same --data-dir, or with the same --logs-store"
    )
    raise NotFoundError("logs_elsewhere", message)
