"""The handlers of a process: what the modules that it was told of offer, and declared commands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from apphub_jobs.contract import Handler, Json
from apphub_jobs.typed.job import Job

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


def load(
    modules: Iterable[str], commands: Mapping[str, Sequence[str]]
) -> dict[str, Handler]:
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
        from apphub_jobs.process.command import command_handler  # noqa: PLC0415

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
