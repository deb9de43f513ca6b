"""Which APIs serve a data directory: each has a file with its address there while it runs.

Each API locks its file. A file that is not locked is stale and is removed.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from runtime.files import UnusableDirectoryError

DIRECTORY = "serving"
"""In the data directory: a file for each API."""


@contextmanager
def announced(data_dir: Path, url: str) -> Iterator[None]:
    """Announce the API to commands on this machine within the block."""
    directory = data_dir / DIRECTORY
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"{uuid4()}.url"
    unlocked = path.with_suffix(".unlocked")
    with unlocked.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(url)
        file.flush()
        unlocked.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def services(data_dir: Path) -> list[str]:
    """Return the addresses of the APIs that serve the directory, the newest first.

    Raises:
        UnusableDirectoryError: this user may not read it.
    """
    running: list[tuple[int, str]] = []
    try:
        paths = [*(data_dir / DIRECTORY).glob("*.url")]
    except OSError as error:
        raise UnusableDirectoryError(
            f"the data directory {data_dir} cannot be read ({error.strerror}):"
            " type this as the user of the service, or give --url or APPHUB_URL"
        ) from None
    for path in paths:
        try:
            began_ns = path.stat().st_mtime_ns
            url = _url_in(path)
        except OSError:  # It has just ended, or belongs to another user.
            continue
        if url:
            running.append((began_ns, url))
    return [url for _, url in sorted(running, reverse=True)]


def _url_in(path: Path) -> str | None:
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip()
    path.unlink(missing_ok=True)
    return None
