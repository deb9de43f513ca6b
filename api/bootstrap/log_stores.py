"""The store of run logs: the data directory, or an object store that API and workers share.

First the store itself (`run_logs` to read, `log_keeper` to write), then its check, then its
identity: a process that lacks the log of a run tells by it that the worker writes to another store.
Last the names of all logs, for backups.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

from runtime.files import make_private_directory, write_atomically
from runtime.tasks import Supervision
from worker.logs.object_store import LogStoreError, ObjectLogs, open_store
from worker.logs.run_logs import DirectoryLogs, LogKeeper, RunLogs, RunLogsUnavailableError
from worker.logs.shipping import run_shipper

DIRECTORY = "run-logs"
SPOOLS = "run-logs-spool"


def run_logs(url: str | None, data_dir: Path) -> RunLogs:
    """Return the store for reading: an object store's URL, or the data directory."""
    if url is None:
        return RunLogs(_directory_logs(data_dir))
    return RunLogs(ObjectLogs(open_store(url)))


@asynccontextmanager
async def log_keeper(
    url: str | None, data_dir: Path, supervision: Supervision
) -> AsyncIterator[LogKeeper]:
    """Open the store for writing: an object store's URL, or the data directory."""
    if url is None:
        yield _directory_logs(data_dir)
    else:
        store = ObjectLogs(open_store(url))
        async with run_shipper(store, data_dir / SPOOLS, supervision) as shipper:
            yield shipper


def _directory_logs(data_dir: Path) -> DirectoryLogs:
    directory = data_dir / DIRECTORY
    make_private_directory(directory)
    return DirectoryLogs(directory)


def check_log_store(url: str, *, to_write: bool) -> None:
    """Check that an object store can be read, or also written.

    Raises:
        LogStoreError: it cannot; the message says what to do.
    """
    logs = ObjectLogs(open_store(url))
    try:
        logs.check(to_write=to_write)
    except RunLogsUnavailableError as error:
        action = "write to" if to_write else "read"
        raise LogStoreError(
            f"cannot {action} the store of logs {url}: {error}\n"
            "Check --logs-store, and for s3:// the variables AWS_ENDPOINT_URL (where it is not"
            " Amazon's), AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;"
            " the bucket must exist."
        ) from error


ID_NAME = "id"
"""A file in the directory of run logs; its content identifies the directory by any path."""


def log_store_id(url: str | None, data_dir: Path) -> str | None:
    """Return the store's identity: its URL, or the directory's id; None if that cannot be read."""
    if url is not None:
        return url
    with suppress(OSError):
        return _directory_id(data_dir / DIRECTORY)
    return None


def _directory_id(directory: Path) -> str:
    file = directory / ID_NAME
    if not file.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # Another process has just made it.
            write_atomically(file, f"{uuid4()}\n".encode(), replace=False)
    return file.read_text(encoding="utf-8").strip()


def list_logs(url: str | None, data_dir: Path) -> dict[str, int]:
    """Return the names of all logs in the store with their sizes, by the name.

    Raises:
        LogStoreError: the URL names no store.
        RunLogsUnavailableError: the store does not answer.
    """
    if url is not None:
        return ObjectLogs(open_store(url)).sizes()
    return dict(sorted(_sizes_in(data_dir / DIRECTORY)))


def _sizes_in(directory: Path) -> Iterator[tuple[str, int]]:
    for path in directory.glob("*/*/*"):
        with suppress(FileNotFoundError):  # Removed meanwhile.
            yield str(path.relative_to(directory)), path.stat().st_size
