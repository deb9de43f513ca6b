"""How `up` and `dev` pass handlers to their worker, and `dev` again whenever they change.

The handlers are in a file; a line over a pipe announces a new version of the file. The worker
imports nothing for it: the writer has probed the handlers already.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker.executors.local.workplace import Workplace
from worker.executors.packages import BUILTIN, HandlerPackage

FILE_VARIABLE = "APPHUB_HANDLERS_FILE"
PIPE_VARIABLE = "APPHUB_HANDLERS_FD"

Packages = Mapping[str, HandlerPackage]
"""The package of each entry point."""


class HandlerFile:
    """The writer's end.

    Attributes:
        descriptor: the end of the pipe that the worker inherits.
    """

    def __init__(self) -> None:
        # If this process is killed, the next worker sweeps it.
        self._workplace = Workplace()
        self._path = self._workplace.new_directory() / "handlers.json"
        self.descriptor, self._pipe = os.pipe()

    @property
    def variables(self) -> Mapping[str, str]:
        """The worker's environment variables."""
        return {FILE_VARIABLE: str(self._path), PIPE_VARIABLE: str(self.descriptor)}

    def write(self, packages: Packages) -> None:
        """Replace the file with one for these packages, atomically."""
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(_document(packages), encoding="utf-8")
        unfinished.rename(self._path)

    def notify(self) -> None:
        """Announce a new version of the file."""
        os.write(self._pipe, b"\n")

    def close(self) -> None:
        """Remove the file."""
        os.close(self._pipe)
        os.close(self.descriptor)
        self._workplace.close()


class HandlerFeed:
    """The worker's end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def inherited(cls, environment: MutableMapping[str, str]) -> "HandlerFeed | None":
        """Return the parent's feed, None if it passed none."""
        path = environment.pop(FILE_VARIABLE, None)
        descriptor = environment.pop(PIPE_VARIABLE, None)
        if path is None or descriptor is None:
            return None
        number = int(descriptor)
        os.set_inheritable(number, False)
        return cls(Path(path), number)

    def packages(self) -> dict[str, HandlerPackage]:
        """Return the current package of each entry point; the built-in one is `BUILTIN` itself."""
        document = json.loads(self._path.read_text(encoding="utf-8"))
        packages = [_same_if_built_in(fields) for fields in document["packages"]]
        handlers: dict[str, int] = document["handlers"]
        return {name: packages[index] for name, index in handlers.items()}

    def follow(self, use: Callable[[dict[str, HandlerPackage]], object]) -> None:
        """Call a function, in a thread of its own, with each later version of the packages."""

        def read() -> None:
            with os.fdopen(self._descriptor, "rb") as notifications:
                for _ in notifications:
                    use(self.packages())

        threading.Thread(target=read, name="handlers", daemon=True).start()


def _document(packages: Packages) -> str:
    distinct = list(dict.fromkeys(packages.values()))
    return json.dumps(
        {
            "packages": [asdict(package) for package in distinct],
            "handlers": {name: distinct.index(package) for name, package in packages.items()},
        }
    )


def _same_if_built_in(fields: Mapping[str, Any]) -> HandlerPackage:
    package = HandlerPackage.from_json(fields)
    return BUILTIN if tuple(package.modules) == tuple(BUILTIN.modules) else package
