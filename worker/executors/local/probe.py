"""Asks processes which handlers there are: the worker itself never imports a handler's module."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

from apphub_jobs.process.handlers import SERVICE_PACKAGES
from apphub_jobs.version import CONTRACT
from worker.executors.local.workplace import (
    PROBE,
    Workplace,
    command_line,
    confining_command,
    environment,
    unfit,
)
from worker.executors.packages import OWN, HandlerPackage, Interpreter

TIMEOUT_S = 60
"""How long importing all modules of a package may take."""

TOOK_TOO_LONG = -signal.SIGALRM
"""The exit code of a probe that ended itself after `TIMEOUT_S`."""

PROBE_ELSEWHERE = f"""
import json
try:
    from apphub_jobs.version import CONTRACT
except ImportError:
    CONTRACT = None
if CONTRACT == {CONTRACT}:
    {PROBE}
else:
    with open(sys.argv[2], "w") as file:
        json.dump({{"contract": CONTRACT}}, file)
"""
"""The program of a probe in another environment: it may have no `apphub_jobs`, or an unfit one."""

STDERR = 2

REMEDY = "run the worker in the module's directory, set PYTHONPATH, or name its --python"


class HandlersError(ValueError):
    """Handlers cannot be loaded; the message says which, why, and what to do."""


class DuplicateHandlerError(HandlersError):
    """Two modules offer a handler of one name, or define one job; the message names them."""


@dataclass(frozen=True)
class OfferedHandler:
    """A handler that a module or the file of commands offers.

    Attributes:
        name: its entry point.
        origin: the module that has it.
        package: the package in whose processes it runs.
        definition: the body with which `POST /jobs` registers its job; None if it defines none.
    """

    name: str
    origin: str
    package: HandlerPackage
    definition: Mapping[str, Any] | None = None


def offered(packages: Sequence[HandlerPackage]) -> dict[str, HandlerPackage]:
    """Return the package of each entry point, as `offers` finds them."""
    return {name: offer.package for name, offer in offers(packages).items()}


Started = Callable[["subprocess.Popen[bytes]"], None]
"""Called with each probe's process, which leads a process group of its own."""


def offers(
    packages: Sequence[HandlerPackage], on_started: Started = lambda _: None
) -> dict[str, OfferedHandler]:
    """Return the handlers of the packages by entry point, found by importing their modules.

    Call it before `Orphans` exist, which would end the probes' processes.

    Args:
        packages: the packages to probe.
        on_started: called with each probe's process.

    Raises:
        DuplicateHandlerError: a name is offered twice, or a job defined twice.
        HandlersError: a module cannot be imported, or has no handlers.
    """
    by_name: dict[str, OfferedHandler] = {}
    for offer in (*_module_offers(packages, on_started), *_command_offers(packages)):
        first = by_name.setdefault(offer.name, offer)
        # Modules of one package may offer a job that they share.
        if first != offer:
            both = f"both {first.origin} and {offer.origin}"
            msg = f"handler {offer.name!r} is offered by {both}; remove one"
            raise DuplicateHandlerError(msg)
    _refuse_duplicates(by_name.values())
    return by_name


def _refuse_duplicates(offers: Iterable[OfferedHandler]) -> None:
    """Refuse two entry points for one job: each would replace the other's definition."""
    defined: dict[str, OfferedHandler] = {}
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


def _module_offers(packages: Sequence[HandlerPackage], on_started: Started) -> list[OfferedHandler]:
    """Return the offers of modules; those of different packages are imported at the same time."""
    with ExitStack() as stack:
        probes = []
        for package in packages:
            if package.modules:
                probe = stack.enter_context(_probe(package))
                on_started(probe.process)
                probes.append(probe)
        return [offer for probe in probes for offer in probe.offers()]


def _command_offers(packages: Sequence[HandlerPackage]) -> Iterator[OfferedHandler]:
    for package in packages:
        for name in package.commands:
            yield OfferedHandler(f"command.{name}", "the file of commands", package)


@dataclass(frozen=True)
class _Probe:
    """A process that imports the modules of a package."""

    package: HandlerPackage
    process: "subprocess.Popen[bytes]"
    file: Path
    deadline: float

    def offers(self) -> Iterator[OfferedHandler]:
        """Wait for the probe, and yield its offers."""
        report = self._report()
        package = self.package
        if package.interpreter is not None:
            path = package.interpreter.path
            interpreter = Interpreter(path, report["python"], report["prefix"])
            package = replace(package, interpreter=interpreter)
        for offer in chain.from_iterable(report["offered"].values()):
            yield OfferedHandler(offer["name"], offer["origin"], package, offer["definition"])

    def _report(self) -> Mapping[str, Any]:
        code = self._exit_code()
        modules = ", ".join(self.package.modules)
        if code == TOOK_TOO_LONG:
            remedy = "leave what takes long to the handlers"
            msg = f"importing {modules} takes longer than {TIMEOUT_S} s; {remedy}"
            raise HandlersError(msg)
        if not self.file.exists():
            ending = f"exit code {code}" if code >= 0 else f"signal {-code}"
            msg = f"importing {modules} ended the process ({ending})"
            raise HandlersError(msg)
        report: dict[str, Any] = json.loads(self.file.read_text())
        if "contract" in report:
            raise HandlersError(unfit(self.package, _contract_problem(report["contract"])))
        if "offered" not in report:
            raise HandlersError(_failure(self.package, report))
        return report

    def _exit_code(self) -> int:
        try:
            return self.process.wait(max(0.0, self.deadline - monotonic()))
        except subprocess.TimeoutExpired:
            return TOOK_TOO_LONG


@contextmanager
def _probe(package: HandlerPackage) -> Iterator[_Probe]:
    """Import a package's modules as its attempts do; the process ends with the block."""
    with closing(Workplace()) as workplace:  # Swept by the next worker if this one is killed.
        directory = workplace.new_directory()
        workdir = directory / "work"
        workdir.mkdir()
        file = directory / "report"
        program = command_line(PROBE if package.interpreter is None else PROBE_ELSEWHERE, package)
        importing = (*program, str(file), str(TIMEOUT_S))
        command = (*confining_command(package, directory), *importing)
        deadline = monotonic() + TIMEOUT_S
        process = subprocess.Popen(  # noqa: S603 - this interpreter with a program of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,  # The worker's own output may be read by programs.
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
    """Kill a probe and all processes that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _contract_problem(contract: int | None) -> str:
    if contract is None:
        return "has no apphub_jobs, or an older one"
    return f"has an apphub-jobs of contract {contract}, and the service keeps contract {CONTRACT}"


def _failure(package: HandlerPackage, report: Mapping[str, Any]) -> str:
    module: str = report["module"]
    lines = [
        f"cannot take handlers from the module {module}: {report['error']}",
        *report["trace"].splitlines(),
        *_advice(module, report["missing"], (package.interpreter or OWN).path),
    ]
    return "\n".join(lines)


def _advice(module: str, missing: str | None, python: str) -> list[str]:
    """Return the remedy for a module that does not exist."""
    if missing is None:
        return []
    package = missing.partition(".")[0]
    if package in SERVICE_PACKAGES:
        return [f"Handlers import apphub_jobs, never {missing}, which is the service's own."]
    places = f"the current directory ({Path.cwd()}), PYTHONPATH, and what {python} has installed"
    needed = module
    if not f"{module}.".startswith(f"{missing}."):
        needed = f"{missing}, which {module} imports,"
    return [f"{needed} is not in {places}: {REMEDY}"]
