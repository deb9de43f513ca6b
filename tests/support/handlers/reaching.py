"""A handler of the tests about what handlers can reach of the service."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from apphub_jobs.contract import Handler, JobResult, JobRunContext


def reach(context: JobRunContext) -> JobResult:
    """Return what can be read of these files, of the processes above, and by these addresses."""
    print("reaching")
    files = context.parameters.get("files", [])
    urls = context.parameters.get("urls", [])
    return JobResult(
        result={
            "environment": dict(os.environ),
            "files": {path: _tried(Path(path).read_bytes) for path in files},
            "above": {str(pid): _of_process(pid, files) for pid in _above(os.getpid())},
            "databases": [tried_database(url) for url in urls],
        }
    )


def _of_process(pid: int, files: list[str]) -> dict[str, Any]:
    process = Path(f"/proc/{pid}")
    through = [process / "root" / path.lstrip("/") for path in files]
    return {
        "environ": _tried((process / "environ").read_bytes),
        "descriptors": _tried(
            lambda: [path.readlink() for path in (process / "fd").iterdir()]
        ),
        "memory": _tried((process / "mem").open),
        "root": [_tried(path.read_bytes) for path in through],
    }


def _above(pid: int) -> Iterator[int]:
    """Yield the supervisor, its worker, and what is above that."""
    while pid > 1:
        _, _, after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        pid = int(after_name.split()[1])
        yield pid


def tried_database(url: str) -> str:
    """Return whether this address leads to a superuser's session, or which error it leads to."""
    return _tried(lambda: _connected(url))


def _connected(url: str) -> bool:
    with psycopg.connect(url, connect_timeout=5) as connection:
        query = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        row = connection.execute(query).fetchone()
    return row is not None and bool(row[0])


def _tried(what: Callable[[], object]) -> str:
    """Return what came of it; an error by its name in brackets."""
    try:
        return str(what())
    except (OSError, psycopg.Error) as error:
        return f"[{type(error).__name__}]"


HANDLERS: dict[str, Handler] = {"reaching.reach": reach}
