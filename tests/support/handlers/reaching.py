"""A handler of the tests about what handlers can reach of the service."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, product
from pathlib import Path
from time import sleep
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


def snoop(context: JobRunContext) -> JobResult:
    """Return which texts are found where attempts work and in what processes show, what can be
    written, and who else's directories are there.
    """
    secrets = [secret.encode() for secret in context.parameters["secrets"]]
    own = Path.cwd()
    return JobResult(
        result={
            "found": sorted(_holding(secrets, own)),
            "others": sorted(str(path) for path in _others(own)),
            "disks": [str(path) for path in Path("/dev").iterdir() if path.is_block_device()],
            "written": {
                path: _tried(partial(_write, Path(path))) for path in context.parameters["writing"]
            },
            "as": {
                str(user): _tried(partial(_write_as, user, context.parameters["rules"]))
                for user in context.parameters["users"]
            },
        }
    )


def write(context: JobRunContext) -> JobResult:
    """Write where the run says, and let what goes wrong be the attempt's."""
    return JobResult(result=_write(Path(context.parameters["path"])))


def _holding(secrets: list[bytes], own: Path) -> Iterator[str]:
    """Yield files below the temporary directory, and of processes, that hold one of these."""
    processes = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    paths = [Path("/proc", *one) for one in product(processes, ("cmdline", "environ"))]
    for path in chain(_below(own.parents[2]), paths):
        with suppress(OSError):
            if path.is_file() and any(one in path.read_bytes() for one in secrets):
                yield str(path)


def _below(directory: Path) -> Iterator[Path]:
    for top, _, files in os.walk(directory):
        yield from (Path(top, name) for name in files)


def _others(own: Path) -> Iterator[Path]:
    """Yield directories of other attempts, and of other workers."""
    slot = own.parent
    for directory in (slot.parent, slot.parent.parent):
        for path in directory.iterdir():
            if not own.is_relative_to(path):
                yield path


def _write(path: Path) -> str:
    if path.is_dir():
        mark = path / "apphub-was-here"
        mark.write_text("written by a handler of the tests")
        mark.unlink()
    else:
        with path.open("ab"):
            pass
    return "written"


def _write_as(user: int, rules: str) -> str:
    """Write the rules of the private PostgreSQL as this user, if root can become that."""
    writing = ["/bin/sh", "-c", ': >>"$0"', rules]
    ended = subprocess.run(
        writing, user=user, extra_groups=[], cwd="/", capture_output=True, check=False
    )
    return "written" if ended.returncode == 0 else "refused"


def wait_beside(context: JobRunContext) -> JobResult:
    """Keep a secret in the own directory until there is a file."""
    Path("secret").write_text(str(context.parameters["secret"]))
    context.logger.info("waiting")
    while not Path(str(context.parameters["until"])).exists():
        sleep(0.05)
    return JobResult()


def _of_process(pid: int, files: list[str]) -> dict[str, Any]:
    process = Path(f"/proc/{pid}")
    through = [process / "root" / path.lstrip("/") for path in files]
    return {
        "environ": _tried((process / "environ").read_bytes),
        "descriptors": _tried(lambda: [path.readlink() for path in (process / "fd").iterdir()]),
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
    except (OSError, ValueError, psycopg.Error, subprocess.SubprocessError) as error:
        return f"[{type(error).__name__}]"


HANDLERS: dict[str, Handler] = {
    "reaching.reach": reach,
    "reaching.snoop": snoop,
    "reaching.write": write,
    "reaching.wait": wait_beside,
}
