"""Asks processes which handlers there are: the worker itself never imports a handler's module."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

from apphub_jobs.process.handlers import SERVICE_PACKAGES
from worker.executors.local.workplace import PROBE, Workplace, command_line, environment, seeing
from worker.executors.packages import HandlerPackage

TIMEOUT_S = 60
"""How long importing all modules of a package may take."""

RAN_TOO_LONG = -signal.SIGALRM
"""The exit code of a probe that ended itself at that time."""

STDERR = 2

REMEDY = "run the worker in the module's directory, or set PYTHONPATH"


class HandlersError(ValueError):
    """Handlers cannot be had; the message says which, why, and what to do."""


class DuplicateHandlerError(HandlersError):
    """Two modules offer a handler of one name, or define one job; the message names them."""


@dataclass(frozen=True)
class Offer:
    """A handler that a module or the file of commands offers.

    Attributes:
        name: its entry point.
        origin: the module that has it.
        package: in whose processes it runs.
        definition: what `POST /jobs` takes to register the job; None of a handler that says nothing
            of one.
    """

    name: str
    origin: str
    package: HandlerPackage
    definition: Mapping[str, Any] | None = None


def offered(packages: Sequence[HandlerPackage]) -> dict[str, HandlerPackage]:
    """Return the package of each entry point, as `offers` finds them."""
    return {name: offer.package for name, offer in offers(packages).items()}


Started = Callable[["subprocess.Popen[bytes]"], None]
"""Hears of each probe's process, which leads a group of its own."""


def _unheard(process: "subprocess.Popen[bytes]") -> None:
    del process


def offers(packages: Sequence[HandlerPackage], started: Started = _unheard) -> dict[str, Offer]:
    """Return what the packages offer, by entry point.

    To be asked before there is anything that ends unknown children of this process.

    Raises:
        DuplicateHandlerError: a name is offered twice, or a job defined twice.
        HandlersError: a module cannot be imported, or is none of handlers.
    """
    found: dict[str, Offer] = {}
    for offer in (*_of_modules(packages, started), *_of_commands(packages)):
        first = found.setdefault(offer.name, offer)
        # Modules of one package may offer a job that they share.
        if first != offer:
            both = f"both {first.origin} and {offer.origin}"
            msg = f"handler {offer.name!r} is offered by {both}; remove one"
            raise DuplicateHandlerError(msg)
    _refuse_doubles(found.values())
    return found


def _refuse_doubles(offers: Iterable[Offer]) -> None:
    """Refuse two entry points for one job, whose definition would be revised to and fro."""
    defined: dict[str, Offer] = {}
    for offer in offers:
        if offer.definition is None:
            continue
        slug: str = offer.definition["slug"]
        first = defined.setdefault(slug.lower(), offer)
        if first is offer:
            continue
        one = f"with the entry point {first.name!r} in {first.origin}"
        other = f"with {offer.name!r} in {offer.origin}"
        msg = f"the job {slug!r} is defined twice, {one} and {other}; rename one"
        raise DuplicateHandlerError(msg)


def _of_modules(packages: Sequence[HandlerPackage], started: Started) -> list[Offer]:
    """Return what modules offer; those of different packages are imported at the same time."""
    found: list[Offer] = []
    with ExitStack() as stack:
        probes = []
        for package in packages:
            if package.modules:
                probe = stack.enter_context(_probe(package))
                started(probe.process)
                probes.append(probe)
        for probe in probes:
            found += probe.offers()
    return found


def _of_commands(packages: Sequence[HandlerPackage]) -> Iterator[Offer]:
    for package in packages:
        for name in package.commands:
            yield Offer(f"command.{name}", "the file of commands", package)


@dataclass(frozen=True)
class _Probe:
    """A process that imports the modules of a package."""

    package: HandlerPackage
    process: "subprocess.Popen[bytes]"
    file: Path
    deadline: float

    def offers(self) -> Iterator[Offer]:
        """Wait for what each module offers."""
        for described in chain.from_iterable(self._reported().values()):
            yield Offer(
                described["name"], described["origin"], self.package, described["definition"]
            )

    def _reported(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        code = self._exit_code()
        modules = ", ".join(self.package.modules)
        if code == RAN_TOO_LONG:
            remedy = "leave what takes long to the handlers"
            msg = f"importing {modules} takes longer than {TIMEOUT_S} s; {remedy}"
            raise HandlersError(msg)
        if not self.file.exists():
            msg = f"importing {modules} ended the process ({_ending(code)})"
            raise HandlersError(msg)
        report: dict[str, Any] = json.loads(self.file.read_text())
        offered: Mapping[str, Sequence[Mapping[str, Any]]] | None = report.get("offered")
        if offered is None:
            failure = _failure(report)
            raise HandlersError(failure)
        return offered

    def _exit_code(self) -> int:
        left_s = self.deadline - monotonic()
        try:
            return self.process.wait(max(0.0, left_s))
        except subprocess.TimeoutExpired:
            return RAN_TOO_LONG


@contextmanager
def _probe(package: HandlerPackage) -> Iterator[_Probe]:
    """Import a package's modules as its attempts do; nothing of that is left afterwards."""
    with closing(Workplace()) as workplace:  # Swept by the next worker if this one is killed.
        directory = workplace.new_directory()
        workdir = directory / "work"
        workdir.mkdir()
        file = directory / "report"
        program = command_line(PROBE, package)
        importing = (*program, str(file), str(TIMEOUT_S))
        command = (*seeing(package, directory), *importing)
        deadline = monotonic() + TIMEOUT_S
        process = subprocess.Popen(  # noqa: S603 - this interpreter with a program of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,  # Programs read the worker's own output.
            cwd=workdir,
            env=environment(workdir, package),
            start_new_session=True,
        )
        try:
            yield _Probe(package, process, file, deadline)
        finally:
            end_probe(process)
            process.wait()


def end_probe(process: "subprocess.Popen[bytes]") -> None:
    """Kill a probe with all that it has started; whoever waits for it hears that it has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


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
    package = missing.partition(".")[0]
    if package in SERVICE_PACKAGES:
        return [f"Handlers import apphub_jobs, never {missing}, which is the service's own."]
    places = f"the current directory ({Path.cwd()}), PYTHONPATH, and what is installed"
    needed = module
    if not f"{module}.".startswith(f"{missing}."):
        needed = f"{missing}, which {module} imports,"
    return [f"{needed} is not in {places}: {REMEDY}"]
