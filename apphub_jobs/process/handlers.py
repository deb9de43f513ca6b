"""The handlers of a process: what the modules it was told of offer, and the declared commands."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from apphub_jobs.contract import Handler
from apphub_jobs.process.command import command_handler


class DuplicateHandlerError(Exception):
    """Two modules offer a handler of one name; the message names them."""


def load(modules: Iterable[str], commands: Mapping[str, Sequence[str]]) -> dict[str, Handler]:
    """Return every handler by its name.

    Raises:
        DuplicateHandlerError: a name is offered twice.
        ImportError: a module cannot be imported.
    """
    handlers: dict[str, Handler] = {}
    origin: dict[str, str] = {}
    for module in modules:
        offered: Mapping[str, Handler] = import_module(module).HANDLERS
        for name, handler in offered.items():
            if name in handlers:
                msg = f"handler {name!r} is offered by both {origin[name]} and {module}; remove one"
                raise DuplicateHandlerError(msg)
            handlers[name] = handler
            origin[name] = module
    for name, argv in commands.items():
        handlers[f"command.{name}"] = command_handler(argv)
    return handlers
