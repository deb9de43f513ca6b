"""The handlers of a process: those that its modules provide, and declared commands.

First commands, then modules (`load_handlers`, `find_handlers`), then what a process may import
(`set_up_imports`).
"""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import IO, NamedTuple, Protocol, TextIO

from apphub_jobs.contract import Handler, JobResult, JobRunContext, Json
from apphub_jobs.typed.job import Job

# `command.NAME`: runs a command line that the operator declared, in any language.
#
# The program reads the parameters as JSON on its standard input. Its output goes to the run's log;
# the last line of its standard output, if it is JSON, is the result. An exit code other than 0
# fails the attempt, with the last lines of its standard error as the message.

TAIL_LINES = 5
TAIL_CHARACTERS = 1_000
"""How much of the end of a command's standard error the run's `errorMessage` holds; all of it is in
the log."""

PIECE_BYTES = 65_536
"""A longer line is forwarded in pieces: it may never end."""

MAX_RESULT_BYTES = 8 * 1_048_576
"""The longest last line that is parsed; the service's own limit of a result is lower."""

STDERR_GRACE_S = 1.0
"""How long to wait for standard error when a daemon that the command started holds it open."""


def command_handler(argv: Sequence[str]) -> Handler:
    """Return a handler that runs this command line; requests cannot change it."""

    def execute(context: JobRunContext) -> JobResult:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        stderr_tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        last_line = _wait_for(process, context, stderr_tail)
        if context.cancelled.is_set():
            return JobResult(status="canceled", error_message="the command was stopped")
        if process.returncode != 0:
            message = _exit_message(argv[0], process.returncode, stderr_tail)
            return JobResult(status="failed", error_message=message)
        if last_line.is_oversized_json:
            message = f"the last line is a result of more than {MAX_RESULT_BYTES} bytes"
            return JobResult(status="failed", error_message=message)
        return JobResult(result=_parse_result(last_line.content))

    return execute


def _wait_for(
    process: "subprocess.Popen[bytes]", context: JobRunContext, stderr_tail: deque[bytes]
) -> "_LastLine":
    """Write the parameters, forward the output line by line, and return the last line."""
    stderr_thread = threading.Thread(
        target=_forward, args=(process.stderr, sys.stderr, stderr_tail), daemon=True
    )
    stderr_thread.start()
    threading.Thread(target=_stop_when_cancelled, args=(process, context), daemon=True).start()
    threading.Thread(target=_write_parameters, args=(process, context), daemon=True).start()
    last_line = _LastLine()
    _forward(process.stdout, sys.stdout, last_line)
    process.wait()
    stderr_thread.join(STDERR_GRACE_S)
    return last_line


class _LastLine:
    """The last line of the standard output, up to the size that a result may have."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_complete = False

    def append(self, piece: bytes) -> None:
        """Add the next piece of this line, or the first one of the next line."""
        if self._is_complete:
            self._pieces.clear()
            self._size_bytes = 0
        self._is_complete = piece.endswith(b"\n")
        self._size_bytes += len(piece)
        if self._size_bytes <= MAX_RESULT_BYTES:
            self._pieces.append(piece)

    @property
    def content(self) -> bytes:
        """The line, as far as it is kept."""
        return b"".join(self._pieces)

    @property
    def is_oversized_json(self) -> bool:
        """Whether it is too long to be parsed, and begins as a JSON result does."""
        return self._size_bytes > MAX_RESULT_BYTES and self._pieces[0].startswith(_JSON_STARTS)


_JSON_STARTS = (b"{", b"[", b'"')


class _PieceSink(Protocol):
    def append(self, piece: bytes, /) -> None:
        """Add the next piece."""


def _forward(output: IO[bytes] | None, stream: TextIO, sink: _PieceSink) -> None:
    while output is not None and (piece := output.readline(PIECE_BYTES)):
        stream.buffer.write(piece)
        stream.buffer.flush()
        sink.append(piece)


def _exit_message(program: str, code: int, stderr_tail: deque[bytes]) -> str:
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    tail = b"".join(stderr_tail).decode(errors="replace").strip()
    return f"{program} {ended}: {tail[-TAIL_CHARACTERS:]}" if tail else f"{program} {ended}"


def _write_parameters(process: "subprocess.Popen[bytes]", context: JobRunContext) -> None:
    if process.stdin is not None:
        # A command need not read its parameters.
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(dict(context.parameters)).encode())


def _stop_when_cancelled(process: "subprocess.Popen[bytes]", context: JobRunContext) -> None:
    context.cancelled.wait()
    process.terminate()


def _parse_result(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


CO_COROUTINE = 0x80
"""The flag of an `async def` function's code; `inspect`, which has it, takes long to import."""


class NoHandlersError(Exception):
    """A module provides no handlers, or invalid ones; the message says what it has."""


class ProvidedHandler(NamedTuple):
    """A handler that a module provides.

    Attributes:
        name: its entry point.
        origin: the module that defines it; several may provide the same job.
        handler: the function, or the job.
    """

    name: str
    origin: str
    handler: "Handler | Job[..., object]"

    @property
    def definition(self) -> Mapping[str, Json] | None:
        """The body of `POST /jobs` that registers a job of this name; None for a plain function.

        Raises:
            JobDefinitionError: the job's signature or options are wrong; the message says where.
        """
        if isinstance(self.handler, Job) and self.handler.entry_point == self.name:
            return self.handler.definition
        return None


def load_handlers(
    modules: Iterable[str], commands: Mapping[str, Sequence[str]]
) -> dict[str, Handler]:
    """Return all handlers of modules and commands by entry point.

    Raises:
        NoHandlersError: a module provides no handlers, or invalid ones.
        ImportError: a module cannot be imported; it may raise anything else as well.
    """
    handlers: dict[str, Handler] = {}
    for module in modules:
        for provided in find_handlers(module):
            handler = provided.handler
            handlers[provided.name] = handler.handler() if isinstance(handler, Job) else handler
    for name, argv in commands.items():
        handlers[f"command.{name}"] = command_handler(argv)
    if any(is_coroutine_function(handler) for handler in handlers.values()):
        import_module("asyncio")  # It takes long: better now than in the first attempt.
    return handlers


def find_handlers(name: str) -> Sequence[ProvidedHandler]:
    """Import a module, and return its handlers: its jobs, and those that `HANDLERS` lists.

    Raises:
        NoHandlersError: the module provides no handlers, or invalid ones.
        ImportError: the module cannot be imported; it may raise anything else as well.
    """
    module = import_module(name)
    handlers: dict[str, ProvidedHandler] = {}
    for handler in (*_listed_handlers(module), *_own_jobs(module)):
        first = handlers.setdefault(handler.name, handler)
        if first.handler is not handler.handler:
            both = f"both {_describe(first)} and {_describe(handler)}"
            msg = f"{name} offers {handler.name!r} twice, by {both}; rename one"
            raise NoHandlersError(msg)
    if not handlers and not hasattr(module, "HANDLERS"):
        raise NoHandlersError(_no_handlers_message(module))
    return list(handlers.values())


def _own_jobs(module: ModuleType) -> Iterator[ProvidedHandler]:
    """Yield the jobs that a module's package defines, not those that it imports to launch them."""
    package = module.__name__.partition(".")[0]
    for job in _jobs(module):
        if job.module.partition(".")[0] == package:
            yield ProvidedHandler(job.entry_point, job.module, job)


def _jobs(module: ModuleType) -> list["Job[..., object]"]:
    return [value for value in vars(module).values() if isinstance(value, Job)]


def _listed_handlers(module: ModuleType) -> Iterator[ProvidedHandler]:
    listed: object = getattr(module, "HANDLERS", None)
    if listed is None:
        return
    if isinstance(listed, Mapping):
        yield from _mapped_handlers(module.__name__, listed)
    elif isinstance(listed, list | tuple | set):
        for job in listed:
            if not isinstance(job, Job):
                msg = f"HANDLERS of {module.__name__} must list jobs, unlike {job!r}"
                raise NoHandlersError(msg)
            yield ProvidedHandler(job.entry_point, job.module, job)
    else:
        msg = (
            f"HANDLERS of {module.__name__} must map names to functions or list jobs,"
            f" unlike {listed!r}"
        )
        raise NoHandlersError(msg)


def _mapped_handlers(module: str, handlers: Mapping[object, object]) -> Iterator[ProvidedHandler]:
    for name, handler in handlers.items():
        if not (isinstance(name, str) and callable(handler)):
            msg = f"HANDLERS of {module} must map names to functions, unlike {name!r}: {handler!r}"
            raise NoHandlersError(msg)
        yield ProvidedHandler(name, module, handler)


def _no_handlers_message(module: ModuleType) -> str:
    name = module.__name__
    imported_jobs = _jobs(module)
    if imported_jobs:
        job = imported_jobs[0]
        return (
            f"{name} has no mapping HANDLERS and no function with @job of its own:"
            f" {job.slug!r} is of {job.module}; name that module, or list the job in HANDLERS"
        )
    return f"{name} has no mapping HANDLERS and no function with @job"


def _describe(provided: ProvidedHandler) -> str:
    if isinstance(provided.handler, Job):
        return f"{provided.origin}.{provided.handler.function.__qualname__}"
    return "its HANDLERS"


def is_coroutine_function(handler: object) -> bool:
    """Return whether a handler is an `async def` function."""
    code = getattr(handler, "__code__", None)
    return bool(getattr(code, "co_flags", 0) & CO_COROUTINE)


# What a process may import: the operator's modules, and of the service the visible packages only.
#
# The service's packages are installed beside this one, so they are on the path of every process
# that imports `apphub_jobs`. Their names are common ones, such as `domain`: in a handlers' process
# they belong to the operator, and in the service's own processes to the service.

SERVICE_PACKAGES = frozenset(
    {
        "api",
        "catalog",
        "cli",
        "domain",
        "eventlog",
        "migrations",
        "projections",
        "runtime",
        "worker",
    }
)

SERVICE_ROOT = os.path.realpath(f"{__file__}/../../..")
"""The directory of this package: a checkout, or site-packages. If the service is installed in this
environment, its packages are there, too."""


class ServicePackages:
    """An import finder for the names of the service's packages; it comes before all others.

    It finds visible packages in the service only, and the other names everywhere but there.
    """

    def __init__(self, visible: Collection[str], root: str = SERVICE_ROOT) -> None:
        self._visible = visible
        self._root = root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a top-level package of one of these names; None for all others.

        Raises:
            ModuleNotFoundError: only the service has a package of this name, and it is not visible.
        """
        if path is not None or name not in SERVICE_PACKAGES:
            return None
        if name in self._visible:
            return PathFinder.find_spec(name, [self._root], target)
        spec = self._find_elsewhere(name, target)
        if spec is None:
            msg = f"No module named {name!r} (the service's own is not for handlers)"
            raise ModuleNotFoundError(msg, name=name)
        return spec

    def _find_elsewhere(self, name: str, target: ModuleType | None) -> ModuleSpec | None:
        elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != self._root]
        for finder in sys.meta_path:
            if finder is self:
                continue
            # Other finders, such as those of editable installations, hold their own paths.
            path = elsewhere if finder is PathFinder else None
            spec = finder.find_spec(name, path, target)
            if spec is not None and not self._is_the_services(spec):
                return spec
        return None

    def _is_the_services(self, spec: ModuleSpec) -> bool:
        directories = spec.submodule_search_locations or []
        own = os.path.join(self._root, spec.name)  # noqa: PTH118
        return any(os.path.realpath(directory) == own for directory in directories)


def set_up_imports(
    directories: Sequence[str], visible: Collection[str], root: str = SERVICE_ROOT
) -> None:
    """Let this process import from these directories first, and the service's visible packages.

    In an environment without the service, its packages' names are anybody's.
    """
    sys.path[:0] = directories
    if os.path.exists(f"{root}/apphub_jobs_server.py"):  # noqa: PTH110 - pathlib takes long to import
        sys.meta_path.insert(0, ServicePackages(visible, root))
