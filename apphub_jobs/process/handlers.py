"""The handlers of a process: what the modules that it was told of offer, and declared commands."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from apphub_jobs.contract import Handler

CO_COROUTINE = 0x80
"""The flag of an `async def` function's code; `inspect`, which names it, takes long to import."""


class NoHandlersError(Exception):
    """A module has no mapping `HANDLERS` from names to functions; the message says what it has."""


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
        handlers.update(offered_by(module))
    if commands:
        # Here, since it imports much that few need.
        from apphub_jobs.process.command import command_handler  # noqa: PLC0415

        for name, argv in commands.items():
            handlers[f"command.{name}"] = command_handler(argv)
    if any(_is_coroutine_function(handler) for handler in handlers.values()):
        import_module("asyncio")  # It takes long: better now than in the first attempt.
    return handlers


def offered_by(module: str) -> Mapping[str, Handler]:
    """Import a module, and return its handlers.

    Raises:
        NoHandlersError: it is no module of handlers.
        ImportError: it cannot be imported; it may raise anything else as well.
    """
    offered: object = getattr(import_module(module), "HANDLERS", None)
    if not isinstance(offered, Mapping):
        msg = f"{module} has no mapping HANDLERS"
        raise NoHandlersError(msg)
    for name, handler in offered.items():
        if not (isinstance(name, str) and callable(handler)):
            msg = f"HANDLERS of {module} must map names to functions, unlike {name!r}: {handler!r}"
            raise NoHandlersError(msg)
    return offered


def _is_coroutine_function(handler: object) -> bool:
    code = getattr(handler, "__code__", None)
    return bool(getattr(code, "co_flags", 0) & CO_COROUTINE)
