"""Finds the handlers of packages by probes: processes that import the handlers' modules.

The worker itself never imports them.
"""

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
from worker.executors.local.handler_process import (
    PROBE,
    build_command,
    build_confining_command,
    build_environment,
    unfit_message,
)
from worker.executors.local.workplace import Workplace
from worker.executors.packages import SERVICE_INTERPRETER, HandlerPackage, Interpreter

TIMEOUT_S = 60
"""How long importing all modules of a package may take."""

TOOK_TOO_LONG = -signal.SIGALRM
"""The exit code of a probe that ended itself after `TIMEOUT_S`."""

PROBE_OTHER_ENVIRONMENT = f"""
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
"""The program of a probe in another environment, which may have no `apphub_jobs`, or one of another
contract."""

STDERR = 2

REMEDY = "run the worker in the module's directory, set PYTHONPATH, or name its --python"


class HandlersError(ValueError):
    """Handlers cannot be loaded; the message says which, why, and what to do."""


class DuplicateHandlerError(HandlersError):
    """Two modules have a handler of the same name, or the same job; the message names them."""


@dataclass(frozen=True)
class OfferedHandler:
    """A handler of a module, or of the file of commands.

    Attributes:
        name: its entry point.
        origin: the module that has it.
        package: the package in whose processes it runs.
        definition: the body of `POST /jobs` that registers its job; None if it defines none.
    """

    name: str
    origin: str
    package: HandlerPackage
    definition: Mapping[str, Any] | None = None


def probe_packages(packages: Sequence[HandlerPackage]) -> dict[str, HandlerPackage]:
    """Return the package of each entry point; it raises the errors of `probe_handlers`."""
    return {name: handler.package for name, handler in probe_handlers(packages).items()}


OnStarted = Callable[["subprocess.Popen[bytes]"], None]
"""Called with each probe's process, which leads a process group of its own."""


def probe_handlers(
    packages: Sequence[HandlerPackage], on_started: OnStarted = lambda _: None
) -> dict[str, OfferedHandler]:
    """Return the handlers of packages by entry point, found by importing their modules.

    Call it before you create `Orphans`, which would end the probes' processes.

    Args:
        packages: the packages to probe.
        on_started: called with each probe's process.

    Raises:
        DuplicateHandlerError: a name is used twice, or a job is defined twice.
        HandlersError: a module cannot be imported, or has no handlers.
    """
    by_name: dict[str, OfferedHandler] = {}
    for handler in (*_probe_modules(packages, on_started), *_command_handlers(packages)):
        first = by_name.setdefault(handler.name, handler)
        # Modules of one package may have the same job.
        if first != handler:
            both = f"both {first.origin} and {handler.origin}"
            msg = f"handler {handler.name!r} is offered by {both}; remove one"
            raise DuplicateHandlerError(msg)
    _refuse_duplicate_jobs(by_name.values())
    return by_name


def _refuse_duplicate_jobs(handlers: Iterable[OfferedHandler]) -> None:
    """Refuse two entry points for one job: each would replace the other's definition."""
    defined: dict[str, OfferedHandler] = {}
    for handler in handlers:
        if handler.definition is None:
            continue
        slug: str = handler.definition["slug"]
        first = defined.setdefault(slug.lower(), handler)
        if first is handler:
            continue
        one = f"with the entry point {first.name!r} in {first.origin}"
        other = f"with {handler.name!r} in {handler.origin}"
        msg = f"the job {slug!r} is defined twice, {one} and {other}; rename one"
        raise DuplicateHandlerError(msg)


def _probe_modules(
    packages: Sequence[HandlerPackage], on_started: OnStarted
) -> list[OfferedHandler]:
    """Return the handlers of modules; the probes of all packages run at the same time."""
    with ExitStack() as stack:
        probes = []
        for package in packages:
            if package.modules:
                probe = stack.enter_context(_start_probe(package))
                on_started(probe.process)
                probes.append(probe)
        return [handler for probe in probes for handler in probe.wait_for_handlers()]


def _command_handlers(packages: Sequence[HandlerPackage]) -> Iterator[OfferedHandler]:
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

    def wait_for_handlers(self) -> Iterator[OfferedHandler]:
        """Wait for the probe, and yield the handlers that it has found.

        Raises:
            HandlersError: a module cannot be imported, or has no handlers.
        """
        report = self._read_report()
        package = self.package
        if package.interpreter is not None:
            path = package.interpreter.path
            interpreter = Interpreter(path, report["python"], report["prefix"])
            package = replace(package, interpreter=interpreter)
        for fields in chain.from_iterable(report["offered"].values()):
            yield OfferedHandler(fields["name"], fields["origin"], package, fields["definition"])

    def _read_report(self) -> Mapping[str, Any]:
        code = self._wait_for_exit()
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
            raise HandlersError(unfit_message(self.package, _contract_problem(report["contract"])))
        if "offered" not in report:
            raise HandlersError(_import_failure(self.package, report))
        return report

    def _wait_for_exit(self) -> int:
        try:
            return self.process.wait(max(0.0, self.deadline - monotonic()))
        except subprocess.TimeoutExpired:
            return TOOK_TOO_LONG


@contextmanager
def _start_probe(package: HandlerPackage) -> Iterator[_Probe]:
    """Start a process that imports a package's modules as attempts do; end it after the block."""
    with closing(Workplace()) as workplace:  # The next worker removes it if this one is killed.
        directory = workplace.new_directory()
        workdir = directory / "work"
        workdir.mkdir()
        file = directory / "report"
        program = PROBE if package.interpreter is None else PROBE_OTHER_ENVIRONMENT
        command = (
            *build_confining_command(package, directory),
            *build_command(program, package),
            str(file),
            str(TIMEOUT_S),
        )
        deadline = monotonic() + TIMEOUT_S
        process = subprocess.Popen(  # noqa: S603 - this interpreter with a program of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,  # Programs may read the worker's standard output.
            cwd=workdir,
            env=build_environment(workdir, package),
            start_new_session=True,
        )
        try:
            yield _Probe(package, process, file, deadline)
        finally:
            kill_probe(process)
            process.wait()


def kill_probe(process: "subprocess.Popen[bytes]") -> None:
    """Kill a probe and the processes in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _contract_problem(contract: int | None) -> str:
    if contract is None:
        return "has no apphub_jobs, or an older one"
    return f"has an apphub-jobs of contract {contract}, and the service keeps contract {CONTRACT}"


def _import_failure(package: HandlerPackage, report: Mapping[str, Any]) -> str:
    """Return the message that a module cannot be imported, with the remedy."""
    module: str = report["module"]
    lines = [
        f"cannot take handlers from the module {module}: {report['error']}",
        *report["trace"].splitlines(),
        *_remedy(module, report["missing"], (package.interpreter or SERVICE_INTERPRETER).path),
    ]
    return "\n".join(lines)


def _remedy(module: str, missing: str | None, python: str) -> list[str]:
    """Return what to do if `missing`, a module that `module` imports, does not exist."""
    if missing is None:
        return []
    package = missing.partition(".")[0]
    if package in SERVICE_PACKAGES:
        return [f"Handlers import apphub_jobs, never {missing}, which is the service's own."]
    searched = f"the current directory ({Path.cwd()}), PYTHONPATH, and what {python} has installed"
    subject = module
    if not f"{module}.".startswith(f"{missing}."):
        subject = f"{missing}, which {module} imports,"
    return [f"{subject} is not in {searched}: {REMEDY}"]
