"""A service for tests: launch, wait, advance the clock, and assert launches.

First calls of jobs in the test's process, whose arguments and results are converted to JSON and
back as in a run (`call`, `acall`); then the process of a test service; then `JobService`; last the
fixtures for pytest: one real service for a session, emptied for each test.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import Any, ParamSpec, TypeVar, cast, overload

import pytest

from apphub_jobs.__main__ import NO_SERVER, SERVER
from apphub_jobs.client import Client, Run
from apphub_jobs.client.documents import RunStatus
from apphub_jobs.contract import Handler, JobResult, JobRunContext, Json
from apphub_jobs.details import DefinitionDetails, RunDetails, parse_time
from apphub_jobs.process.program import ReportBudget, call_handler, encode
from apphub_jobs.typed.job import Job

P = ParamSpec("P")
R = TypeVar("R")

RUN_ID = "00000000-0000-7000-8000-000000000000"
"""The id of the run in contexts of `call`."""


@overload
def call(job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> R: ...
@overload
def call(job: Callable[[JobRunContext], Any], /, **parameters: Json) -> Any: ...
def call(job: Job[..., Any] | Handler, /, *args: Any, **parameters: Any) -> Any:
    """Call a job, and return its result, as a client would get it.

    The arguments are validated and converted as in a run. An `async def` function runs in a new
    event loop; in an asynchronous test use `acall`.

    Args:
        job: a function under `@job`, or a plain handler.
        *args: the function's arguments.
        **parameters: the parameters by name.

    Raises:
        PermanentError: the parameters do not fit. Errors of the job are raised as they are.
        NotJsonError: the result cannot be JSON; the message has the path.
    """
    handler, context = _prepare(job, args, parameters)
    return _result(job, call_handler(handler, context))


@overload
async def acall(job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> R: ...
@overload
async def acall(job: Callable[[JobRunContext], Any], /, **parameters: Json) -> Any: ...
async def acall(job: Job[..., Any] | Handler, /, *args: Any, **parameters: Any) -> Any:
    """Call a job as `call` does, in an asynchronous test."""
    handler, context = _prepare(job, args, parameters)
    value = handler(context)
    if isinstance(value, Awaitable):
        value = await value
    return _result(job, value)


def _prepare(
    job: Job[..., Any] | Handler, args: tuple[Any, ...], parameters: Mapping[str, Any]
) -> tuple[Handler, JobRunContext]:
    if not isinstance(job, Job):
        return job, _context({}, _through_json(parameters))
    json_parameters = _through_json(job.parameters(*args, **parameters))
    return job.handler(), _context(job.definition, json_parameters)


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
    details = {
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
    budget = ReportBudget()

    def send_report(report: Mapping[str, Json]) -> None:
        budget.add(report)

    return JobRunContext(
        definition=DefinitionDetails(details),
        run=RunDetails(run),
        parameters=parameters,
        inputs={},
        settings={},
        logger=logging.getLogger("job"),
        cancelled=threading.Event(),
        deadline=None,
        send_report=send_report,
    )


def _result(job: Job[..., Any] | Handler, value: object) -> Any:
    """Return a handler's value as a client would get it."""
    if not isinstance(value, JobResult):
        return _through_json({"result": value})["result"]
    result = _through_json({"result": value.result})["result"]
    if isinstance(job, Job) and not job.returns_job_result and value.status == "succeeded":
        return job.result(result)
    return replace(value, result=result)


def _through_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(encode(values)))


READY = "ready "
"""The beginning of the line in which the service prints its address."""

STOP_S = 60.0

LOG_TAIL_LINES = 20


class ServiceError(RuntimeError):
    """The service did not start, or is not installed; the message says why."""


@contextmanager
def run_service(directory: Path, handlers: Sequence[str]) -> Iterator[str]:
    """Run a service, and yield its address. It ends with this process, however that ends.

    Raises:
        ServiceError: it did not start.
    """
    lifeline, kept_open = os.pipe()
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
        yield _wait_for_address(process, log)
    finally:
        os.close(kept_open)
        _stop(process)


def _command(directory: Path, handlers: Sequence[str]) -> list[str]:
    command = [*_program(), "test-service", "--data-dir", str(directory / "data")]
    command += ["--python", sys.executable]
    for module in handlers:
        command += ["--handlers", module]
    return command


def _program() -> list[str]:
    """Return the service's program: of this environment, else the one on the path.

    Raises:
        ServiceError: the service is not installed.
    """
    if find_spec(SERVER) is not None:
        return [sys.executable, "-P", "-m", "apphub_jobs"]
    program = shutil.which("apphub-jobs")
    if program is None:
        raise ServiceError(NO_SERVER)
    return [program]


def _environment(lifeline: int) -> dict[str, str]:
    """Return the environment in which handlers can import the modules that tests can."""
    own_entries = [
        entry
        for entry in sys.path
        if entry and not any(Path(entry).is_relative_to(directory) for directory in _INSTALLED)
    ]
    path = os.pathsep.join(own_entries)
    return {**os.environ, "PYTHONPATH": path, "APPHUB_LIFELINE_FD": str(lifeline)}


_INSTALLED = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
"""The directories of installed packages."""


def _wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    for line in process.stdout or ():
        text = line.decode().strip()
        if text.startswith(READY):
            return text.removeprefix(READY)
    process.wait()
    lines = log.read_text(errors="replace").splitlines()
    tail = "\n".join(lines[-LOG_TAIL_LINES:])
    msg = f"the test service ended with code {process.returncode}:\n{tail}"
    raise ServiceError(msg)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop the service, and its running attempts at once."""
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


WAIT_TIMEOUT_S = 60.0
"""The maximum wait for a run that should end soon."""

POLL_INTERVAL_S = 0.05

UNFINISHED: Sequence[RunStatus] = ("pending", "running")


class JobService:
    """The session's service, empty when a test begins.

    Attributes:
        client: a client of the service, for everything else.
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
        self, job: str, mapping: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> Run[Json]: ...
    def launch(self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any) -> Run[Any]:
        """Launch a run, and return at once; a decorated job is registered if it is not yet."""
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
        self, job: str, mapping: Mapping[str, Json] = ..., /, **parameters: Json
    ) -> Run[Json]: ...
    def run(self, job: Job[..., Any] | str, /, *args: Any, **parameters: Any) -> Run[Any]:
        """Launch a run, wait until it has ended, however it ended, and return it.

        Raises:
            WaitTimeoutError: the run waits, perhaps for a back-off: use `launch` and `advance`.
        """
        launched: Run[Any] = self.launch(job, *args, **parameters)
        launched.wait(WAIT_TIMEOUT_S)
        return launched

    def apply(self, job: Job[..., Any]) -> None:
        """Register a decorated job, once for each test."""
        if job.slug not in self._applied:
            self.client.apply(job)
            self._applied.add(job.slug)

    def drain(self, timeout: float = WAIT_TIMEOUT_S) -> None:
        """Wait until no run is running or due; runs that are due later stay pending.

        Raises:
            TimeoutError: runs are still running or due; the message names them.
        """
        until = monotonic() + timeout
        while busy := self._busy():
            if monotonic() > until:
                msg = f"after {timeout:g} s there is still {', '.join(busy)}"
                raise TimeoutError(msg)
            sleep(POLL_INTERVAL_S)

    def _busy(self) -> list[str]:
        """Return a description of each run that is running or due."""
        unfinished = [run.document for run in self.client.runs(status=UNFINISHED)]
        now = self.now
        return [
            f"{run.slug} ({run.status}, attempt {run.attempt})"
            for run in unfinished
            if run.status == "running" or run.scheduled_at <= now
        ]

    @property
    def now(self) -> datetime:
        """The present time by the service's clock."""
        return _parse_now(self.client.request("GET", "/testing/clock"))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Advance the service's clock, and return the new time.

        Delays, back-offs, start deadlines and timeouts that have passed then take effect at once:
        `drain`, or wait for the run. Clocks in handlers do not change.
        """
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        by_ms = round(step.total_seconds() * 1_000)
        return _parse_now(self.client.request("POST", "/testing/clock", body={"byMs": by_ms}))

    def empty(self) -> None:
        """Remove all runs, jobs and events, and reset the clock, as before each test."""
        self.client.request("POST", "/testing/empty")
        self._applied.clear()

    def assert_launched(
        self,
        job: Job[..., Any] | str,
        *,
        times: int | None = None,
        parameters: Mapping[str, Json] | None = None,
    ) -> None:
        """Assert that a job was launched, by this test or by another run.

        Args:
            job: a decorated job, or a slug.
            times: how many times. Default: at least once.
            parameters: count only launches with these parameters; they may have further ones.

        Raises:
            AssertionError: it was not; the message shows its launches.
        """
        slug = _slug(job)
        launches = [run.document.parameters for run in self.client.runs(job=slug)]
        count = sum(_includes(actual, parameters or {}) for actual in launches)
        if count == times or (times is None and count):
            return
        expected = "at least once" if times is None else f"{times} times"
        msg = (
            f"{slug} should have been launched {expected} with {dict(parameters or {})},"
            f" but was {count} times; its launches, the newest first: {launches}"
        )
        raise AssertionError(msg)


def _slug(job: Job[..., Any] | str) -> str:
    if isinstance(job, Job):
        return job.slug
    return job


def _includes(actual: Mapping[str, Json], expected: Mapping[str, Json]) -> bool:
    missing = object()
    return all(actual.get(name, missing) == value for name, value in expected.items())


def _parse_now(answer: Json) -> datetime:
    return parse_time(answer["data"]["now"])


@pytest.fixture(scope="session")
def apphub_handlers() -> Sequence[str]:
    """Return the modules of the jobs; override this fixture in your `conftest.py`."""
    return ()


@pytest.fixture(scope="session")
def apphub_process(
    apphub_handlers: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Yield the address of the service that all tests of the session share."""
    directory = tmp_path_factory.mktemp("apphub")
    with run_service(directory, apphub_handlers) as url:
        yield url


@pytest.fixture
def service(apphub_process: str) -> Iterator[JobService]:
    """Yield the service, empty and with its clock at the real time."""
    with Client(apphub_process, timeout=60) as client:
        service = JobService(client)
        service.empty()
        yield service
