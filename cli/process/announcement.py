"""Which APIs serve a data directory: each leaves its address there for as long as it runs.

A lock of the kernel shows which ones run: an address whose file is not locked is stale and is
removed.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

DIRECTORY = "serving"
"""In the data directory: a file for each API."""


@contextmanager
def announced(data_dir: Path, url: str) -> Iterator[None]:
    """Let commands of this machine find the API."""
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
    """Return the addresses of the APIs that serve the directory, the youngest first."""
    found: list[tuple[int, str]] = []
    for path in (data_dir / DIRECTORY).glob("*.url"):
        try:
            began_ns = path.stat().st_mtime_ns
            url = _url_in(path)
        except OSError:  # It has just ended, or is somebody else's.
            continue
        if url:
            found.append((began_ns, url))
    return [url for _, url in sorted(found, reverse=True)]


def _url_in(path: Path) -> str | None:
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip()
    path.unlink(missing_ok=True)
    return None
