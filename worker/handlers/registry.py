"""Which handlers there are: the built-in ones, those of installed packages, and those of modules named by the operator.

Only names that an operator installed are found; no request can name code to import.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from apphub_jobs.contract import Handler
from apphub_jobs.process.handlers import load

GROUP = "apphub_jobs.handlers"
"""Entry points of this group name a module with a mapping `HANDLERS` from entry point names to
handlers."""

BUILTIN_MODULES: tuple[str, ...] = ("worker.handlers",)


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


def modules_of(source: HandlerSource) -> list[str]:
    """Return every module that offers handlers, each once."""
    installed = [entry_point.value for entry_point in entry_points(group=GROUP)]
    return list(dict.fromkeys((*BUILTIN_MODULES, *installed, *source.modules)))


def load_handlers(source: HandlerSource) -> Mapping[str, Handler]:
    """Return every handler by its name.

    Raises:
        DuplicateHandlerError: a name is offered twice.
        ImportError: a module cannot be imported.
    """
    return load(modules_of(source), source.commands)


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
