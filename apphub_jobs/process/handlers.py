"""The handlers of a process: what its modules offer, and declared commands.

First commands, then modules (`load`, `offered_by`), then what a process may import (`arrange`).
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
# The program reads the parameters as JSON on its standard input. What it prints goes to the run's
# log; the last line of its standard output, if it is JSON, is the result. Another exit code than 0
# fails the attempt, with the last lines of its standard error as the reason.

TAIL_LINES = 5
TAIL_CHARACTERS = 1_000
"""So much of what a command printed last on its standard error stands in the run's `errorMessage`;
all of it is in the log."""

PIECE_BYTES = 65_536
"""A longer line is passed on in pieces: it may never end."""

RESULT_BYTES = 8 * 1_048_576
"""The longest last line that is looked at: above the service's limit of a result."""

LAST_WORDS_S = 1.0
"""How long a daemon that the command has left may hold its standard error open."""


def command_handler(argv: Sequence[str]) -> Handler:
    """Return a handler that runs this command line; no request can change it."""

    def execute(context: JobRunContext) -> JobResult:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        complaints: deque[bytes] = deque(maxlen=TAIL_LINES)
        last = _converse(context, process, complaints)
        if context.cancelled.is_set():
            return JobResult(status="canceled", error_message="the command was stopped")
        if process.returncode != 0:
            why = _why(argv[0], process.returncode, complaints)
            return JobResult(status="failed", error_message=why)
        if last.is_endless_json:
            why = f"the last line is a result of more than {RESULT_BYTES} bytes"
            return JobResult(status="failed", error_message=why)
        return JobResult(result=_parsed(last.content))

    return execute


def _converse(
    context: JobRunContext, process: "subprocess.Popen[bytes]", complaints: deque[bytes]
) -> "_LastLine":
    """Give the parameters, pass on what is printed line by line, and return the last line."""
    complaining = threading.Thread(
        target=_pass_on, args=(process.stderr, sys.stderr, complaints), daemon=True
    )
    complaining.start()
    threading.Thread(target=_stop_when_cancelled, args=(context, process), daemon=True).start()
    threading.Thread(target=_give, args=(context, process), daemon=True).start()
    last = _LastLine()
    _pass_on(process.stdout, sys.stdout, last)
    process.wait()
    complaining.join(LAST_WORDS_S)
    return last


class _LastLine:
    """The last line of what is printed, as far as it may be a result."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_over = False

    def append(self, piece: bytes) -> None:
        """Take the next piece of a line, or of the next line."""
        if self._is_over:
            self._pieces.clear()
            self._size_bytes = 0
        self._is_over = piece.endswith(b"\n")
        self._size_bytes += len(piece)
        if self._size_bytes <= RESULT_BYTES:
            self._pieces.append(piece)

    @property
    def content(self) -> bytes:
        """What there is of it."""
        return b"".join(self._pieces)

    @property
    def is_endless_json(self) -> bool:
        """Whether it is too long, and begins as a result does."""
        return self._size_bytes > RESULT_BYTES and self._pieces[0].startswith(_BEGINS)


_BEGINS = (b"{", b"[", b'"')


class _Pieces(Protocol):
    def append(self, piece: bytes, /) -> None:
        """Take the next piece."""


def _pass_on(output: IO[bytes] | None, stream: TextIO, pieces: _Pieces) -> None:
    while output is not None and (piece := output.readline(PIECE_BYTES)):
        stream.buffer.write(piece)
        stream.buffer.flush()
        pieces.append(piece)


def _why(program: str, code: int, complaints: deque[bytes]) -> str:
    ended = f"ended with exit code {code}"
    if code < 0:
        ended = f"was killed by signal {-code}"
    said = b"".join(complaints).decode(errors="replace").strip()
    if not said:
        return f"{program} {ended}"
    return f"{program} {ended}: {said[-TAIL_CHARACTERS:]}"


def _give(context: JobRunContext, process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        # A command need not read what it does not want.
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(dict(context.parameters)).encode())


def _stop_when_cancelled(context: JobRunContext, process: "subprocess.Popen[bytes]") -> None:
    context.cancelled.wait()
    process.terminate()


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


CO_COROUTINE = 0x80
"""The flag of an `async def` function's code; `inspect`, which names it, takes long to import."""


class NoHandlersError(Exception):
    """A module offers no handlers, or offers them wrongly; the message says what it has."""


class Offer(NamedTuple):
    """A handler that a module offers.

    Attributes:
        name: the entry point under which definitions find it.
        origin: the module that has it; one job may be offered by several.
        handler: the function, or the job.
    """

    name: str
    origin: str
    handler: "Handler | Job[..., object]"

    @property
    def definition(self) -> Mapping[str, Json] | None:
        """What `POST /jobs` takes to register a job by this name; a plain function says nothing.

        Raises:
            JobDefinitionError: the job's signature or options are wrong; the message says where.
        """
        if isinstance(self.handler, Job) and self.handler.entry_point == self.name:
            return self.handler.definition
        return None


def load(modules: Iterable[str], commands: Mapping[str, Sequence[str]]) -> dict[str, Handler]:
    """Return every handler by its name.

    Raises:
        NoHandlersError: a module is none of handlers.
        ImportError: a module cannot be imported; it may raise anything else as well.
    """
    handlers: dict[str, Handler] = {}
    for module in modules:
        for offer in offered_by(module):
            handlers[offer.name] = _handler(offer.handler)
    if commands:
        # Here, since it imports much that few need.

        for name, argv in commands.items():
            handlers[f"command.{name}"] = command_handler(argv)
    if any(is_coroutine_function(handler) for handler in handlers.values()):
        import_module("asyncio")  # It takes long: better now than in the first attempt.
    return handlers


def offered_by(name: str) -> Sequence[Offer]:
    """Import a module, and return what it offers: its jobs, and what its `HANDLERS` lists.

    Raises:
        NoHandlersError: it offers nothing, or something that is no handler.
        ImportError: it cannot be imported; it may raise anything else as well.
    """
    module = import_module(name)
    offers: dict[str, Offer] = {}
    for offer in (*_listed(module), *_own_jobs(module)):
        first = offers.setdefault(offer.name, offer)
        if first.handler is not offer.handler:
            both = f"both {_described(first)} and {_described(offer)}"
            msg = f"{name} offers {offer.name!r} twice, by {both}; rename one"
            raise NoHandlersError(msg)
    if not offers and not hasattr(module, "HANDLERS"):
        raise NoHandlersError(_nothing_found(module))
    return list(offers.values())


def _own_jobs(module: ModuleType) -> Iterator[Offer]:
    """Yield the jobs found in a module, but not those of elsewhere that it launches."""
    package = module.__name__.partition(".")[0]
    for job in _jobs(module):
        if job.module.partition(".")[0] == package:
            yield Offer(job.entry_point, job.module, job)


def _jobs(module: ModuleType) -> list["Job[..., object]"]:
    return [value for value in vars(module).values() if isinstance(value, Job)]


def _listed(module: ModuleType) -> Iterator[Offer]:
    listed: object = getattr(module, "HANDLERS", None)
    if listed is None:
        return
    if isinstance(listed, Mapping):
        yield from _mapped(module.__name__, listed)
    elif isinstance(listed, list | tuple | set):
        for job in listed:
            if not isinstance(job, Job):
                msg = f"HANDLERS of {module.__name__} must list jobs, unlike {job!r}"
                raise NoHandlersError(msg)
            yield Offer(job.entry_point, job.module, job)
    else:
        msg = (
            f"HANDLERS of {module.__name__} must map names to functions or list jobs,"
            f" unlike {listed!r}"
        )
        raise NoHandlersError(msg)


def _mapped(module: str, handlers: Mapping[object, object]) -> Iterator[Offer]:
    for name, handler in handlers.items():
        if not (isinstance(name, str) and callable(handler)):
            msg = f"HANDLERS of {module} must map names to functions, unlike {name!r}: {handler!r}"
            raise NoHandlersError(msg)
        yield Offer(name, module, handler)


def _nothing_found(module: ModuleType) -> str:
    name = module.__name__
    foreign = _jobs(module)
    if foreign:
        job = foreign[0]
        return (
            f"{name} has no mapping HANDLERS and no function with @job of its own:"
            f" {job.slug!r} is of {job.module}; name that module, or list the job in HANDLERS"
        )
    return f"{name} has no mapping HANDLERS and no function with @job"


def _described(offer: Offer) -> str:
    if isinstance(offer.handler, Job):
        return f"{offer.origin}.{offer.handler.function.__qualname__}"
    return "its HANDLERS"


def _handler(offered: "Handler | Job[..., object]") -> Handler:
    if isinstance(offered, Job):
        return offered.handler()
    return offered


def is_coroutine_function(handler: object) -> bool:
    """Return whether a handler was written as `async def`."""
    code = getattr(handler, "__code__", None)
    return bool(getattr(code, "co_flags", 0) & CO_COROUTINE)


# What a process may import: the operator's modules first; of the service only what it is shown.
#
# The service's packages are installed beside this one, so they lie on the path of every process
# that finds `apphub_jobs`. Their names are common ones, such as `domain`: in a handler's process
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
"""The directory of this package and of the service's: a checkout, or site-packages."""


class ServicePackages:
    """A finder for the names of the service's packages alone; it is asked before all others."""

    def __init__(self, shown: Collection[str], root: str = SERVICE_ROOT) -> None:
        """Find what is shown in the service alone, and the other names everywhere but there."""
        self._shown = shown
        self._root = root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a top-level package of one of these names lies.

        Raises:
            ModuleNotFoundError: only the service has one of this name, and it is not shown.
        """
        if path is not None or name not in SERVICE_PACKAGES:
            return None
        if name in self._shown:
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
            # Others, such as those of editable installations, have their places in themselves.
            path = None
            if finder is PathFinder:
                path = elsewhere
            spec = finder.find_spec(name, path, target)
            if spec is not None and not self._is_the_services(spec):
                return spec
        return None

    def _is_the_services(self, spec: ModuleSpec) -> bool:
        places = spec.submodule_search_locations or []
        own = os.path.join(self._root, spec.name)  # noqa: PTH118
        return any(os.path.realpath(place) == own for place in places)


def arrange(directories: Sequence[str], shown: Collection[str]) -> None:
    """Let this process import from these directories first, of the service what is shown."""
    sys.path[:0] = directories
    sys.meta_path.insert(0, ServicePackages(shown))
