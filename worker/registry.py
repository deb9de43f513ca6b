"""Which handlers there are: the built-in ones, those of installed packages, and those of modules named by the operator.

Only names that an operator installed are found; no request can name code to import.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points

from worker.contract import Handler

GROUP = "apphub_jobs.handlers"
"""Entry points of this group name a module with a mapping `HANDLERS` from entry point names to handlers."""

BUILTIN_MODULES: tuple[str, ...] = ("worker.handlers",)


class DuplicateHandlerError(Exception):
    """Two modules offer a handler of one name; the message names them."""


def load_handlers(modules: Sequence[str]) -> Mapping[str, Handler]:
    """Return every handler by its name.

    Args:
        modules: modules named by the operator, beside built-in ones and those of installed packages.

    Raises:
        DuplicateHandlerError: a name is offered twice.
        ImportError: a module cannot be imported.
    """
    handlers: dict[str, Handler] = {}
    origin: dict[str, str] = {}
    installed = [entry_point.value for entry_point in entry_points(group=GROUP)]
    for module in dict.fromkeys((*BUILTIN_MODULES, *installed, *modules)):
        offered: Mapping[str, Handler] = import_module(module).HANDLERS
        for name, handler in offered.items():
            if name in handlers:
                msg = f"handler {name!r} is offered by both {origin[name]} and {module}; remove one"
                raise DuplicateHandlerError(msg)
            handlers[name], origin[name] = handler, module
    return handlers
