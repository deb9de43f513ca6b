"""Asks processes which handlers there are: the worker itself never imports a handler's module."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from apphub_jobs.process.imports import SERVICE_PACKAGES
from worker.executors.local.handlers_process import PROBE, command_line, environment
from worker.executors.packages import HandlerPackage

TIMEOUT_S = 60
"""How long importing all modules of a package may take."""


class HandlersError(ValueError):
    """Handlers cannot be had; the message says which, why, and what to do."""


class DuplicateHandlerError(HandlersError):
    """Two modules offer a handler of one name; the message names them."""


def offered(packages: Sequence[HandlerPackage]) -> dict[str, HandlerPackage]:
    """Return the package of each entry point.

    To be asked before there is anything that ends unknown children of this process.

    Raises:
        DuplicateHandlerError: a name is offered twice.
        HandlersError: a module cannot be imported, or is none of handlers.
    """
    with ExitStack() as stack:
        probes = [stack.enter_context(_probe(package)) for package in packages if package.modules]
        reports = [(probe.package, probe.report()) for probe in probes]
    found: dict[str, HandlerPackage] = {}
    origin: dict[str, str] = {}
    for package, report in reports:
        for module, names in report.items():
            for name in names:
                if name in found:
                    msg = f"handler {name!r} is offered by both {origin[name]} and {module}; remove one"
                    raise DuplicateHandlerError(msg)
                found[name] = package
                origin[name] = module
    return {**found, **_commands(packages)}


def _commands(packages: Sequence[HandlerPackage]) -> dict[str, HandlerPackage]:
    return {f"command.{name}": package for package in packages for name in package.commands}


@dataclass(frozen=True)
class _Probe:
    package: HandlerPackage
    process: "subprocess.Popen[bytes]"
    file: Path
    deadline: float

    def report(self) -> Mapping[str, Sequence[str]]:
        """Wait for the names that each module offers."""
        modules = ", ".join(self.package.modules)
        try:
            code = self.process.wait(max(0.0, self.deadline - monotonic()))
        except subprocess.TimeoutExpired:
            code = -signal.SIGALRM
        if code == -signal.SIGALRM:
            msg = f"importing {modules} takes longer than {TIMEOUT_S} s; do what takes long in the handlers"
            raise HandlersError(msg)
        if not self.file.exists():
            msg = f"importing {modules} ended the process ({_ending(code)})"
            raise HandlersError(msg)
        report: dict[str, Any] = json.loads(self.file.read_text())
        if "offered" not in report:
            raise HandlersError(_failure(report))
        offers: Mapping[str, Sequence[str]] = report["offered"]
        return offers


@contextmanager
def _probe(package: HandlerPackage) -> Iterator[_Probe]:
    """Import a package's modules under the conditions of its attempts; nothing of it is left afterwards."""
    with TemporaryDirectory(prefix="apphub-probe-") as directory:
        workdir = Path(directory) / "work"
        workdir.mkdir()
        file = Path(directory) / "report"
        process = subprocess.Popen(  # noqa: S603 - this interpreter with a program of ours
            (*command_line(PROBE, package), str(file), str(TIMEOUT_S)),
            stdin=subprocess.DEVNULL,
            stdout=2,  # Programs read the worker's own output.
            cwd=workdir,
            env=environment(workdir),
            start_new_session=True,
        )
        try:
            yield _Probe(package, process, file, monotonic() + TIMEOUT_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {-code}"


def _failure(report: Mapping[str, Any]) -> str:
    module: str = report["module"]
    lines = [
        f"cannot take handlers from the module {module}: {report['error']}",
        *report["trace"].splitlines(),
        *_advice(module, report["missing"]),
    ]
    return "\n".join(lines)


def _advice(module: str, missing: str | None) -> list[str]:
    """Return what to do where a module is not there."""
    if missing is None:
        return []
    if missing.partition(".")[0] in SERVICE_PACKAGES:
        return [f"Handlers import apphub_jobs, never {missing}, which is the service's own."]
    place = f"the current directory ({Path.cwd()}), PYTHONPATH, and what is installed"
    remedy = "run the worker in the directory of the module, or set PYTHONPATH"
    return [f"{missing} is not found for {module} in {place}: {remedy}."]
