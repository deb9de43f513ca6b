"""Watches the directories of handlers for changes of Python files."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import cache_from_source
from itertools import chain, islice
from pathlib import Path

from watchfiles import PythonFilter, watch

from api.process.developing.happenings import Changed, Happenings
from worker.executors.packages import HandlerSource

MOST_DIRECTORIES = 1_000
"""So many are looked into: whoever works in a whole home must not wait for all of it."""

GATHERED_MS = 200
"""Changes that follow each other so closely are one: version control writes many files at once."""

LEFT_OUT = frozenset(
    {"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"}
)
"""Directories in which nobody edits handlers; neither in those that begin with a dot."""


@contextmanager
def watched(source: HandlerSource, happenings: Happenings) -> Iterator[None]:
    """Tell of changes where the source's modules are, and below where Python files lie."""
    directories = list(_with_python(_directories(source)))
    stopping = threading.Event()
    threading.Thread(
        target=_watch,
        args=(directories, stopping, happenings),
        name="files",
        daemon=True,
    ).start()
    try:
        yield
    finally:
        stopping.set()


def _watch(
    directories: Sequence[Path], stopping: threading.Event, happenings: Happenings
) -> None:
    for changes in watch(
        *directories,
        watch_filter=PythonFilter(),
        debounce=GATHERED_MS,
        stop_event=stopping,
        recursive=False,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        paths = sorted({path for _, path in changes})
        forget_compiled(paths)
        happenings.add(Changed(paths))


def forget_compiled(paths: Sequence[str]) -> None:
    """Remove what Python has kept of these files.

    It goes by their second and size, so of two versions that are saved at once it runs the first.
    """
    for path in paths:
        # Where nothing may be removed, nothing could be kept.
        with suppress(OSError):
            Path(cache_from_source(path)).unlink(missing_ok=True)


def _directories(source: HandlerSource) -> list[str]:
    """Return where named files lie; where modules are named, also where those are looked for."""
    directories = list(source.directories)
    in_files = [
        module
        for module in source.modules
        if any(_lies_in(directory, module) for directory in directories)
    ]
    if len(in_files) < len(source.modules):
        directories.append(str(Path.cwd()))
    return directories


def _lies_in(directory: str, module: str) -> bool:
    first = module.partition(".")[0]
    place = Path(directory)
    file = place / f"{first}.py"
    folder = place / first
    return file.exists() or folder.is_dir()


def _with_python(directories: Sequence[str]) -> Iterator[Path]:
    """Yield the directories, and what lies below them that holds Python files."""
    tops = dict.fromkeys(directories)
    below = chain.from_iterable(os.walk(top) for top in tops)
    for path, names, files in islice(below, MOST_DIRECTORIES):
        # What is taken out of this list is not walked into.
        names[:] = [name for name in names if _is_looked_into(name)]
        has_python = any(name.endswith(".py") for name in files)
        if has_python or path in directories:
            yield Path(path)


def _is_looked_into(name: str) -> bool:
    return name not in LEFT_OUT and not name.startswith(".")
