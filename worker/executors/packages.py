"""Handler packages: groups of handlers that may share processes.

First the operator's modules and the installed ones (`collect_packages`), then command lines that an
operator declares as handlers (`read_commands`). There are no other handlers: no request can name
code to import.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

from domain.json_values import decode
from domain.workers import Python

ENTRY_POINT_GROUP = "apphub_jobs.handlers"
"""Installed packages declare modules with handlers as entry points of this group."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """The access of handlers to the host, beyond their own directories.

    Attributes:
        hidden: files and directories that they cannot see. If empty, they are trusted, and may read
            and change whatever the worker's user may.
        writable: directories in which they may change files, besides temporary ones.
        withheld: ids of users whose files they cannot access even as root.
        variables: names of the worker's variables that are passed to all of them.
        variables_of: names of further variables, by the module or the command (`command.NAME`) that
            gets them; all handlers of its package get them.
    """

    hidden: Sequence[str] = ()
    writable: Sequence[str] = ()
    withheld: Sequence[int] = ()
    variables: Sequence[str] = ()
    variables_of: Mapping[str, Sequence[str]] = field(default_factory=dict)


TRUSTED = Access()


@dataclass(frozen=True)
class Interpreter:
    """The Python interpreter of handlers that have an environment of their own.

    Attributes:
        path: the path of its program.
        version: its version; "" before the probe.
        prefix: the directory of its environment; "" before the probe.
    """

    path: str
    version: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class HandlerSource:
    """Where the operator's handlers are; the built-in and the installed ones come on top of them.

    Attributes:
        modules: names of modules with handlers.
        commands: command lines by name; the handler `command.NAME` runs the one with that name.
        access: the handlers' access to the host.
        directories: where modules are searched before the current directory.
        interpreters: by module; modules without one run with the service's interpreter.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    access: Access = TRUSTED
    directories: Sequence[str] = ()
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class HandlerPackage:
    """Handlers that trust each other, so that they may run in the same process one after the other.

    Attributes:
        modules: the modules with handlers that its processes import.
        commands: as in `HandlerSource`.
        directories: where its processes search for modules first.
        visible_packages: the service's own packages that its processes may import; none but for
            built-in handlers.
        hidden, writable, withheld: as in `Access`; built-in handlers work with some files that are
            hidden from others.
        pass_env: names of the worker's variables that are passed to its processes.
        interpreter: the Python interpreter of its processes; None for the service's own.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    directories: Sequence[str] = ()
    visible_packages: Sequence[str] = ()
    hidden: Sequence[str] = ()
    writable: Sequence[str] = ()
    withheld: Sequence[int] = ()
    pass_env: Sequence[str] = ()
    interpreter: Interpreter | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "HandlerPackage":
        """Return the package with these fields, which `asdict` has made of it."""
        interpreter = fields["interpreter"]
        if interpreter is not None:
            interpreter = Interpreter(**interpreter)
        return cls(**{**fields, "interpreter": interpreter})


BUILTIN = HandlerPackage(modules=("catalog.handlers.builtin",), visible_packages=("catalog",))


def collect_packages(source: HandlerSource) -> list[HandlerPackage]:
    """Return the packages of the operator, those of installed distributions, and the built-in one.

    The operator's modules with the same interpreter are a package, as are commands with the same
    variables. Modules are also found in the current directory.

    Raises:
        ValueError: variables are passed to a module or a command that does not exist.
    """
    installed = _installed_modules()
    installed_names = set(chain.from_iterable(installed))
    by_interpreter: dict[Interpreter | None, list[str]] = {}
    for module in _distinct(source.modules):
        interpreter = source.interpreters.get(module)
        if interpreter is not None or module not in installed_names:
            by_interpreter.setdefault(interpreter, []).append(module)
    packages = [
        _operator_package(modules, source, source.directories, interpreter)
        for interpreter, modules in by_interpreter.items()
    ]
    packages += [_operator_package(modules, source) for modules in installed]
    packages += _command_packages(source)
    _check_names(source.access.variables_of, packages)
    packages.append(BUILTIN)
    return packages


def _command_packages(source: HandlerSource) -> list[HandlerPackage]:
    by_variables: dict[tuple[str, ...], dict[str, Sequence[str]]] = {}
    for name, argv in source.commands.items():
        variables = _variables_of([f"command.{name}"], source.access)
        by_variables.setdefault(variables, {})[name] = argv
    return [
        HandlerPackage(commands=commands, pass_env=names, **_access_fields(source.access))
        for names, commands in by_variables.items()
    ]


def _check_names(
    variables_of: Mapping[str, Sequence[str]], packages: Sequence[HandlerPackage]
) -> None:
    """Check that variables are passed only to modules and commands that exist."""
    names: list[str] = []
    for package in packages:
        names += package.modules
        names += [f"command.{name}" for name in package.commands]
    for name in variables_of:
        if name not in names:
            msg = f"--pass-env: no handlers are called {name!r}; there are: {', '.join(names)}"
            raise ValueError(msg)


def _variables_of(modules: Sequence[str], access: Access) -> tuple[str, ...]:
    names = [*access.variables]
    for module in modules:
        names += access.variables_of.get(module, ())
    return tuple(sorted(set(names)))


def _access_fields(access: Access) -> dict[str, Any]:
    return {"hidden": access.hidden, "writable": access.writable, "withheld": access.withheld}


def _operator_package(
    modules: Sequence[str],
    source: HandlerSource,
    directories: Sequence[str] = (),
    interpreter: Interpreter | None = None,
) -> HandlerPackage:
    current = os.getcwd()  # noqa: PTH109 - a text is what the path holds
    return HandlerPackage(
        modules=modules,
        directories=(*directories, current),
        pass_env=_variables_of(modules, source.access),
        interpreter=interpreter,
        **_access_fields(source.access),
    )


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _installed_modules() -> list[list[str]]:
    """Return the modules with handlers of each installed distribution."""
    by_distribution: dict[str, list[str]] = {}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        module = entry_point.value
        distribution = module if entry_point.dist is None else entry_point.dist.name
        by_distribution.setdefault(distribution, []).append(module)
    return [_distinct(modules) for modules in by_distribution.values()]


def list_interpreters(packages: Mapping[str, HandlerPackage]) -> list[Python]:
    """Return the interpreters of handlers, each with its entry points.

    Args:
        packages: the handlers' packages, by entry point.
    """
    entry_points: dict[Interpreter, list[str]] = {}
    for name, package in packages.items():
        entry_points.setdefault(package.interpreter or SERVICE_INTERPRETER, []).append(name)
    return [
        Python(interpreter.path, interpreter.version, sorted(names))
        for interpreter, names in sorted(entry_points.items(), key=lambda item: item[0].path)
    ]


SERVICE_INTERPRETER = Interpreter(sys.executable, platform.python_version(), sys.prefix)
"""The service's own interpreter."""


def packages_to_start(packages: Sequence[HandlerPackage], processes: int) -> list[HandlerPackage]:
    """Return the packages of the processes to start ahead of attempts.

    First each package gets one, as far as the number goes. The rest goes to the operator's
    packages, as runs of the built-in handlers are few and long.
    """
    operators = [package for package in packages if package is not BUILTIN]
    return list(islice(chain(packages, cycle(operators or packages)), processes))


# The file in which an operator declares command lines as handlers.

ATTEMPT_VARIABLES = ("HOME", "TMPDIR", "PYTHONUNBUFFERED")
"""Variables whose values are set for each attempt."""


@dataclass(frozen=True)
class Command:
    """A command line that an operator declares as a handler.

    Attributes:
        argv: the program and its arguments.
        pass_env: the names of the worker's variables that are passed to it.
    """

    argv: Sequence[str]
    pass_env: Sequence[str] = ()


def read_commands(path: Path) -> Mapping[str, Command]:
    """Read a file of commands: `{"NAME": ["program", "argument", …], …}`.

    A command with variables is `{"command": ["program", …], "passEnv": ["VARIABLE", …]}`.

    Raises:
        ValueError: the file has another form, or a program does not exist.
    """
    try:
        declarations: Any = decode(path.read_text())
        commands = {name: _parse_command(declaration) for name, declaration in declarations.items()}
    except (TypeError, AttributeError, ValueError) as error:
        msg = f'{path} must hold {{"NAME": ["program", "argument"]}}: {error!r}'
        raise ValueError(msg) from None
    for name, command in commands.items():
        _check_program(path, name, command.argv[0])
    return commands


def _parse_command(declaration: Any) -> Command:
    if not isinstance(declaration, dict):
        return Command(_parse_argv(declaration))
    unknown = [name for name in declaration if name not in {"command", "passEnv"}]
    if unknown:
        msg = f"a command has 'command' and 'passEnv', not {unknown[0]!r}"
        raise TypeError(msg)
    names = declaration.get("passEnv", [])
    if not isinstance(names, list):
        msg = "passEnv is a list of names of variables"
        raise TypeError(msg)
    argv = _parse_argv(declaration.get("command"))
    return Command(argv, [check_variable_name(name) for name in names])


def check_variable_name(name: object) -> str:
    """Check and return the name of a variable that is to be passed to handlers.

    Raises:
        ValueError: it is not a name, or each attempt has its own value of the variable.
    """
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        msg = f"{name!r} is no name of a variable; give names such as API_KEY"
        raise ValueError(msg)
    if name in ATTEMPT_VARIABLES:
        msg = f"{name} cannot be passed: each attempt has its own"
        raise ValueError(msg)
    return name


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _parse_argv(argv: object) -> list[str]:
    if isinstance(argv, list) and argv and all(isinstance(part, str) for part in argv):
        return argv
    msg = "a command is a list of texts, the program first"
    raise TypeError(msg)


def _check_program(path: Path, name: str, program: str) -> None:
    if "/" in program and not Path(program).is_absolute():
        msg = (
            f"{path}: the program of {name!r} must begin with /,"
            f" for an attempt has a directory of its own: {program}"
        )
        raise ValueError(msg)
    if shutil.which(program) is None:
        msg = f"{path}: the program of {name!r} is not there, or cannot be run: {program}"
        raise ValueError(msg)
