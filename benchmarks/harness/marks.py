"""A program that runs one of ours, and marks in a file when some of its functions begin and end.

    python -m benchmarks.harness.marks FILE MODULE [ARGUMENT …]

MODULE's first argument says what the process is, and each of its marks begins with that. The file
gets a line for each mark, its name and the monotonic clock's nanoseconds, which all processes of a
machine share. A mark costs some microseconds; without this program there are none.
"""

import importlib
import os
import runpy
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from benchmarks.harness.processes import python
from eventlog.database.listener import Announcement

BEGUN = "begun"

ENDED = "ended"

COROUTINES = {
    "read": ("eventlog.append.transaction", "_begin"),
    "prepared": ("eventlog.append.writer", "prepare"),
    "committed": ("eventlog.append.writer", "commit"),
}
"""Coroutines whose begin and end are marked, by the name of the mark."""

OF_API = {"routed": ("api.routes.launches", "_launch")}
"""The same of the API alone."""

NOTIFIED = "notified"

HANDED_OVER = "handed over"


def command(file: Path, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours with marks in a file."""
    return python("benchmarks.harness.marks", str(file), module, *arguments)


def read_marks(file: Path) -> Mapping[str, list[int]]:
    """Return the times of each mark, in order."""
    times: dict[str, list[int]] = defaultdict(list)
    for line in file.read_text().splitlines():
        name, _, at = line.rpartition(" ")
        times[name].append(int(at))
    return times


class Marks:
    """Writes marks into a file, each at once: the process may be killed."""

    def __init__(self, file: Path, process: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._process = process

    def mark(self, name: str) -> None:
        """Write a mark."""
        os.write(self._file, f"{self._process} {name} {time.monotonic_ns()}\n".encode())

    def mark_coroutine(self, name: str, module: str, function: str) -> None:
        """Mark the begin and the end of a coroutine from now on."""
        holder = importlib.import_module(module)
        marked: Callable[..., Awaitable[object]] = getattr(holder, function)

        @wraps(marked)
        async def marking(*args: Any, **kwargs: Any) -> object:
            self.mark(f"{name} {BEGUN}")
            result = await marked(*args, **kwargs)
            self.mark(f"{name} {ENDED}")
            return result

        setattr(holder, function, marking)

    def mark_notifications(self) -> None:
        """Mark each notification of a pending run, for every waiter of the process."""
        signal = importlib.import_module("eventlog.database.listener").Signal
        notify = signal.notify

        def marking(waiter: object, announcement: Announcement) -> None:
            if announcement.pending:
                self.mark(NOTIFIED)
            notify(waiter, announcement)

        signal.notify = marking

    def mark_tasks(self) -> None:
        """Mark each task that is handed over to a process."""
        slot = importlib.import_module("worker.executors.local.slot").Slot
        send_tasks = slot.send_tasks

        def marking(own: object, *tasks: Mapping[str, Any]) -> None:
            self.mark(HANDED_OVER)
            send_tasks(own, *tasks)

        slot.send_tasks = marking


def main() -> None:
    """Run the program of the command line with marks."""
    _, file, module, *arguments = sys.argv
    marks = Marks(Path(file), arguments[0])
    coroutines = COROUTINES
    if arguments[0] == "serve":
        coroutines = {**COROUTINES, **OF_API}
    else:
        marks.mark_notifications()
        marks.mark_tasks()
    for name, (holder, function) in coroutines.items():
        marks.mark_coroutine(name, holder, function)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
