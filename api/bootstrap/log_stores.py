"""Which store of run logs a process uses.

It is the data directory, or an object store that API and workers share.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.files import make_private
from runtime.tasks import Supervision
from worker.logs.object_store import LogStoreError, ObjectLogs, open_store
from worker.logs.run_logs import DirectoryLogs, LogKeeper, RunLogs, RunLogsUnavailableError
from worker.logs.shipping import shipping

DIRECTORY = "run-logs"
SPOOLS = "run-logs-spool"


def run_logs(url: str | None, data_dir: Path) -> RunLogs:
    """Return where logs are read."""
    if url is None:
        return RunLogs(_directory_logs(data_dir))
    return RunLogs(ObjectLogs(open_store(url)))


@asynccontextmanager
async def log_keeper(
    url: str | None, data_dir: Path, supervision: Supervision
) -> AsyncIterator[LogKeeper]:
    """Give where logs are written."""
    if url is None:
        yield _directory_logs(data_dir)
    else:
        store = ObjectLogs(open_store(url))
        async with shipping(store, data_dir / SPOOLS, supervision) as shipper:
            yield shipper


def _directory_logs(data_dir: Path) -> DirectoryLogs:
    directory = data_dir / DIRECTORY
    make_private(directory)
    return DirectoryLogs(directory)


def check_log_store(url: str, *, to_write: bool) -> None:
    """Ask the store once.

    Raises:
        LogStoreError: it cannot be used; the message says what to do.
    """
    logs = ObjectLogs(open_store(url))
    try:
        logs.check(to_write=to_write)
    except RunLogsUnavailableError as error:
        attempt = "write to" if to_write else "read"
        raise LogStoreError(
            f"cannot {attempt} the store of logs {url}: {error}\n"
            "Check --logs-store, and for s3:// the variables AWS_ENDPOINT_URL (where it is not"
            " Amazon's), AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;"
            " the bucket must exist."
        ) from error
