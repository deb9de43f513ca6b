"""Which handlers there are: the built-in ones, those of installed packages, and those of modules named by the operator.

Only names that an operator installed are found; no request can name code to import.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from apphub_jobs.contract import Handler
from worker.handlers.command import command_handler

GROUP = "apphub_jobs.handlers"
"""Entry points of this group name a module with a mapping `HANDLERS` from entry point names to
handlers."""

BUILTIN_MODULES: tuple[str, ...] = ("worker.handlers",)


class DuplicateHandlerError(Exception):
    """Two modules offer a handler of one name; the message names them."""


@dataclass(frozen=True)
class HandlerSource:
    """Where handlers come from, beside the built-in ones and those of installed packages.

    Attributes:
        modules: modules with a mapping `HANDLERS`, named by the operator.
        commands: command lines declared by the operator, by the names under which `command.NAME`
            runs them.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)


def load_handlers(source: HandlerSource) -> Mapping[str, Handler]:
    """Return every handler by its name.

    Raises:
        DuplicateHandlerError: a name is offered twice.
        ImportError: a module cannot be imported.
    """
    handlers: dict[str, Handler] = {}
    origin: dict[str, str] = {}
    installed = [entry_point.value for entry_point in entry_points(group=GROUP)]
    for module in dict.fromkeys((*BUILTIN_MODULES, *installed, *source.modules)):
        offered: Mapping[str, Handler] = import_module(module).HANDLERS
        for name, handler in offered.items():
            if name in handlers:
                msg = f"handler {name!r} is offered by both {origin[name]} and {module}; remove one"
                raise DuplicateHandlerError(msg)
            handlers[name], origin[name] = handler, module
    for name, argv in source.commands.items():
        handlers[f"command.{name}"] = command_handler(argv)
    return handlers


def read_commands(path: Path) -> Mapping[str, Sequence[str]]:
    """Read `{"NAME": ["program", "argument", …], …}`.

    Raises:
        ValueError: the file says something else.
    """
    try:
        commands = json.loads(path.read_text())
        return {name: _argv(argv) for name, argv in commands.items()}
    except (TypeError, AttributeError, ValueError) as error:
        msg = f'{path} must hold {{"NAME": ["program", "argument"]}}: {error!r}'
        raise ValueError(msg) from None


def _argv(argv: object) -> list[str]:
    if not (isinstance(argv, list) and argv and all(isinstance(part, str) for part in argv)):
        msg = "a command is a list of texts, the program first"
        raise TypeError(msg)
    return argv
