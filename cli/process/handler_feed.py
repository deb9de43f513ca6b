"""How `up` and `dev` notify their worker which handlers there are; `dev`, whenever they change.

The handlers are in a file; a line over a pipe says that the file is a new one. The worker imports
nothing for it: the writer has run a probe already.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import asdict
from pathlib import Path

from worker.executors.local.workplace import Workplace
from worker.executors.packages import BUILTIN, HandlerPackage

FILE_VARIABLE = "APPHUB_HANDLERS_FILE"
PIPE_VARIABLE = "APPHUB_HANDLERS_FD"

Packages = Mapping[str, HandlerPackage]
"""The package of each entry point."""


class HandlerFile:
    """The writer's end.

    Attributes:
        descriptor: what the worker is given.
    """

    def __init__(self) -> None:
        # If this process is killed, the next worker sweeps it.
        self._workplace = Workplace()
        self._path = self._workplace.new_directory() / "handlers.json"
        self.descriptor, self._pipe = os.pipe()

    @property
    def variables(self) -> Mapping[str, str]:
        """What the worker is told."""
        return {FILE_VARIABLE: str(self._path), PIPE_VARIABLE: str(self.descriptor)}

    def write(self, packages: Packages) -> None:
        """Write what there is now; whoever reads finds it whole."""
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(_document(packages), encoding="utf-8")
        unfinished.rename(self._path)

    def poke(self) -> None:
        """Say that there is something else."""
        os.write(self._pipe, b"\n")

    def close(self) -> None:
        """Remove the file."""
        os.close(self._pipe)
        os.close(self.descriptor)
        self._workplace.close()


class Feed:
    """The worker's end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def inherited(cls, environment: MutableMapping[str, str]) -> "Feed | None":
        """Return the feed that the parent gives, None where it gives none."""
        path = environment.pop(FILE_VARIABLE, None)
        descriptor = environment.pop(PIPE_VARIABLE, None)
        if path is None or descriptor is None:
            return None
        number = int(descriptor)
        os.set_inheritable(number, False)
        return cls(Path(path), number)

    def packages(self) -> dict[str, HandlerPackage]:
        """Return what there is now; what is built in is the same package each time."""
        text = self._path.read_text(encoding="utf-8")
        document = json.loads(text)
        known: list[HandlerPackage] = []
        for fields in document["packages"]:
            package = HandlerPackage(**fields)
            known.append(_same_if_built_in(package))
        handlers: dict[str, int] = document["handlers"]
        return {name: known[index] for name, index in handlers.items()}

    def follow(self, hear: Callable[[dict[str, HandlerPackage]], None]) -> None:
        """Call a function, in a thread of its own, with whatever there is later."""

        def read() -> None:
            with os.fdopen(self._descriptor, "rb") as pokes:
                for _ in pokes:
                    hear(self.packages())

        threading.Thread(target=read, name="handlers", daemon=True).start()


def _document(packages: Packages) -> str:
    each_once = list(dict.fromkeys(packages.values()))
    described = [asdict(package) for package in each_once]
    handlers: dict[str, int] = {}
    for name, package in packages.items():
        handlers[name] = each_once.index(package)
    document = {"packages": described, "handlers": handlers}
    return json.dumps(document)


def _same_if_built_in(package: HandlerPackage) -> HandlerPackage:
    if tuple(package.modules) == tuple(BUILTIN.modules):
        return BUILTIN
    return package
