"""A service for tests: launch, wait, move the clock, and check what was launched.

First calls of jobs in the test's own process, whose arguments and results go through JSON as in a
run (`call`, `acall`); then the process of a test service; then `JobService`; last the fixtures for
pytest: one real service a session, emptied for each test.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any, ParamSpec, TypeVar, cast, overload

import pytest

from apphub_jobs.client import Client, Run
from apphub_jobs.client.documents import RunStatus
from apphub_jobs.contract import Handler, JobResult, JobRunContext, Json
from apphub_jobs.details import DefinitionDetails, RunDetails
from apphub_jobs.process.program import Reported, encode
from apphub_jobs.typed.job import Job

P = ParamSpec("P")
R = TypeVar("R")

RUN_ID = "00000000-0000-7000-8000-000000000000"
"""The id of a run that there is not."""


@overload
def call(job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> R: ...
@overload
def call(job: Callable[[JobRunContext], Any], /, **parameters: Json) -> Any: ...
def call(job: Job[..., Any] | Handler, /, *args: Any, **parameters: Any) -> Any:
    """Call a job, and return its result, as a client would have it.

    The arguments are validated and converted as in a run. An `async def` is run to its end; in a
    test that awaits use `acall`.

    Args:
        job: a function under `@job`, or a plain handler.
        *args: the function's arguments.
        **parameters: the parameters by name.

    Raises:
        PermanentError: the parameters do not fit; besides, whatever the job raises.
        NotJsonError: the result cannot be JSON; the message tells the place.
    """
    handler, context = _prepared(job, args, parameters)
    returned = handler(context)
    if isinstance(returned, Awaitable):
        returned = asyncio.run(_awaited(returned))
    return _result(job, returned)


@overload
async def acall(job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> R: ...
@overload
async def acall(job: Callable[[JobRunContext], Any], /, **parameters: Json) -> Any: ...
async def acall(job: Job[..., Any] | Handler, /, *args: Any, **parameters: Any) -> Any:
    """Do the same as `call` in a test that awaits."""
    handler, context = _prepared(job, args, parameters)
    returned = handler(context)
    if isinstance(returned, Awaitable):
        returned = await returned
    return _result(job, returned)


async def _awaited(returned: Awaitable[object]) -> object:
    return await returned


def _prepared(
    job: Job[..., Any] | Handler, args: tuple[Any, ...], parameters: Mapping[str, Any]
) -> tuple[Handler, JobRunContext]:
    if not isinstance(job, Job):
        return job, _context({}, _through_json(parameters))
    given = job.parameters(*args, **parameters)
    return job.handler(), _context(job.definition, _through_json(given))


def _context(definition: Mapping[str, Json], parameters: Mapping[str, Json]) -> JobRunContext:
    slug = definition.get("slug", "test")
    policy = definition.get("retryPolicy") or {}
    run = {
        "id": RUN_ID,
        "slug": slug,
        "attempt": 1,
        "maxAttempts": policy.get("maxAttempts", 1),
        "context": {},
    }
    known = {
        "name": slug,
        "type": "batch",
        "entryPoint": slug,
        "timeoutMs": None,
        "retryPolicy": None,
        "metadata": None,
        "resources": None,
        **definition,
        "slug": slug,
        "version": 1,
    }
    reported = Reported()

    def send_report(report: Mapping[str, Json]) -> None:
        reported.add(report)

    return JobRunContext(
        definition=DefinitionDetails(known),
        run=RunDetails(run),
        parameters=parameters,
        inputs={},
        settings={},
        logger=logging.getLogger("job"),
        cancelled=threading.Event(),
        deadline=None,
        send_report=send_report,
    )


def _result(job: Job[..., Any] | Handler, returned: object) -> Any:
    """Return what a client would make of what was returned."""
    if not isinstance(returned, JobResult):
        return _through_json({"result": returned})["result"]
    result = _through_json({"result": returned.result})["result"]
    if isinstance(job, Job) and not job.returns_job_result and returned.status == "succeeded":
        return job.result(result)
    return replace(returned, result=result)


def _through_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(encode(values)))


READY = "ready "
"""What the line begins with that tells the address."""

STOP_S = 60.0

TOLD_LINES = 20


class ServiceError(RuntimeError):
    """The service did not start; the message has what it said."""


@contextmanager
def running(directory: Path, handlers: Sequence[str]) -> Iterator[str]:
    """Run a service, and give its address. It ends with this process, however that ends.

    Raises:
        ServiceError: it did not start.
    """
    lifeline, held = os.pipe()
    log = directory / "service.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - the service's own program
            _command(directory, handlers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=(lifeline,),
            env=_environment(lifeline),
            start_new_session=True,
        )
    os.close(lifeline)
    try:
        yield _address(process, log)
    finally:
        os.close(held)
        _end(process)


def _command(directory: Path, handlers: Sequence[str]) -> list[str]:
    command = [sys.executable, "-P", "-m", "apphub_jobs", "test-service"]
    command += ["--data-dir", str(directory / "data")]
    for module in handlers:
        command += ["--handlers", module]
    return command


def _environment(lifeline: int) -> dict[str, str]:
    """Let handlers find the modules that tests find."""
    own = [entry for entry in sys.path if entry and not _is_installed(entry)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(own), "APPHUB_LIFELINE_FD": str(lifeline)}


_INSTALLED = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
"""Where Python and this environment keep their packages."""


def _is_installed(entry: str) -> bool:
    return any(Path(entry).is_relative_to(place) for place in _INSTALLED)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    for line in process.stdout or ():
        text = line.decode().strip()
        if text.startswith(READY):
            return text.removeprefix(READY)
    process.wait()
    lines = log.read_text(errors="replace").splitlines()
    told = "\n".join(lines[-TOLD_LINES:])
    msg = f"the test service ended with code {process.returncode}:\n{told}"
    raise ServiceError(msg)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop the service, and whatever it runs at once."""
    for _ in range(2):
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


PATIENCE_S = 60.0
"""How long is waited at most for what should come soon."""

LOOK_AGAIN_S = 0.05

UNFINISHED: Sequence[RunStatus] = ("pending", "running")


class JobService:
    """A real service of the session, empty when a test begins.

    Attributes:
        client: for everything else that clients do.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._applied: set[str] = set()

    @overload
    def launch(
        self, job: Job[P, JobResult], /, *args: P.args, **parameters: P.kwargs
    ) -> Run[Json]: ...
    @overload
    def launch(self, job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> Run[R]: ...
    @overload
    def launch(
        self, job: str, given: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> Run[Json]: ...
    def launch(self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any) -> Run[Any]:
        """Launch a run, and return it at once. A decorated job is registered before, if need be."""
        if isinstance(job, Job):
            self.apply(job)
        launched: Run[Any] = self.client.launch(job, *args, **parameters)
        return launched

    @overload
    def run(
        self, job: Job[P, JobResult], /, *args: P.args, **parameters: P.kwargs
    ) -> Run[Json]: ...
    @overload
    def run(self, job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> Run[R]: ...
    @overload
    def run(
        self, job: str, given: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> Run[Json]: ...
    def run(self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any) -> Run[Any]:
        """Launch a run, and return it once it has ended, however it ended.

        Raises:
            WaitTimeoutError: it waits, perhaps for a back-off: `launch` it, and `advance`.
        """
        launched: Run[Any] = self.launch(job, *args, **parameters)
        launched.wait(PATIENCE_S)
        return launched

    def apply(self, job: Job[..., Any]) -> None:
        """Register a decorated job, once a test."""
        if job.slug not in self._applied:
            self.client.apply(job)
            self._applied.add(job.slug)

    def drain(self, timeout: float = PATIENCE_S) -> None:
        """Wait until nothing runs and nothing is due; what is due later stays.

        Raises:
            TimeoutError: something still runs or is due; the message names it.
        """
        until = monotonic() + timeout
        while busy := self._busy():
            if monotonic() > until:
                msg = f"after {timeout:g} s there is still {', '.join(busy)}"
                raise TimeoutError(msg)
            sleep(LOOK_AGAIN_S)

    def _busy(self) -> list[str]:
        """Return what runs or is due."""
        unfinished = [run.document for run in self.client.runs(status=UNFINISHED)]
        now = self.now
        return [
            f"{run.slug} ({run.status}, attempt {run.attempt})"
            for run in unfinished
            if run.status == "running" or run.scheduled_at <= now
        ]

    @property
    def now(self) -> datetime:
        """The present, as all decisions of the service see it."""
        return _present(self.client.request("GET", "/testing/clock"))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move the service's clock on, and return the new present.

        Delays, back-offs, start deadlines and timeouts that are over then are dealt with at once:
        `drain` or wait for the run. Handlers' own clocks stay.
        """
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        by_ms = round(by.total_seconds() * 1_000)
        return _present(self.client.request("POST", "/testing/clock", body={"byMs": by_ms}))

    def empty(self) -> None:
        """Remove all runs, jobs and events, and put the clock right; a new test finds it so."""
        self.client.request("POST", "/testing/empty")
        self._applied.clear()

    def assert_launched(
        self,
        job: Job[..., Any] | str,
        *,
        times: int | None = None,
        parameters: Mapping[str, Json] | None = None,
    ) -> None:
        """Check that a job was launched, by whomever.

        Args:
            job: a decorated job, or a slug.
            times: how often; by default at least once.
            parameters: only launches with these count; others that they had are of no matter.

        Raises:
            AssertionError: it was not; the message shows its launches.
        """
        slug = _slug(job)
        launches = [run.document.parameters for run in self.client.runs(job=slug)]
        matching = [given for given in launches if _has(given, parameters or {})]
        count = len(matching)
        if count == times or (times is None and count):
            return
        wanted = "at least once" if times is None else f"{times} times"
        msg = (
            f"{slug} should have been launched {wanted} with {dict(parameters or {})},"
            f" but was {count} times; its launches, the newest first: {launches}"
        )
        raise AssertionError(msg)


def _slug(job: Job[..., Any] | str) -> str:
    if isinstance(job, Job):
        return job.slug
    return job


def _has(given: Mapping[str, Json], wanted: Mapping[str, Json]) -> bool:
    missing = object()
    return all(given.get(name, missing) == value for name, value in wanted.items())


def _present(answer: Json) -> datetime:
    return datetime.fromisoformat(answer["data"]["now"])


@pytest.fixture(scope="session")
def apphub_handlers() -> Sequence[str]:
    """Name the modules of the jobs; define a fixture of this name in your `conftest.py`."""
    return ()


@pytest.fixture(scope="session")
def apphub_process(
    apphub_handlers: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give the address of a service that all tests of the session share."""
    directory = tmp_path_factory.mktemp("apphub")
    with running(directory, apphub_handlers) as url:
        yield url


@pytest.fixture
def service(apphub_process: str) -> Iterator[JobService]:
    """Give an empty service, whose clock stands at the real present."""
    with Client(apphub_process, timeout=60) as client:
        service = JobService(client)
        service.empty()
        yield service
