"""Which store of run logs a process uses.

It is the data directory, or an object store that API and workers share.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

from runtime.files import make_private
from runtime.tasks import Supervision
from worker.logs.object_store import LogStoreError, ObjectLogs, open_store
from worker.logs.run_logs import (
    DirectoryLogs,
    LogKeeper,
    RunLogs,
    RunLogsUnavailableError,
)
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


# What tells places of run logs apart: who finds no log can say whether it lies elsewhere.

ID_NAME = "id"
"""In the directory of run logs: what all who share the directory call it, by whatever path."""


def logs_place(url: str | None, data_dir: Path) -> str | None:
    """Return the store's URL or the directory's id; None where the directory tells none."""
    if url is not None:
        return url
    directory = data_dir / DIRECTORY
    with suppress(OSError):
        return _id_in(directory)
    return None


def _id_in(directory: Path) -> str:
    file = directory / ID_NAME
    if not file.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(file)
    return file.read_text(encoding="utf-8").strip()


def _make(file: Path) -> None:
    """Make the file such that it appears whole, and is made once."""
    new_id = uuid4()
    unfinished = file.with_name(f"{ID_NAME}.{new_id}")
    unfinished.write_text(f"{new_id}\n", encoding="utf-8")
    with suppress(FileExistsError):
        os.link(unfinished, file)
    unfinished.unlink()
