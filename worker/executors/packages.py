"""Which handlers there are, by package: processes run the handlers of one package, and no others.

First what the operator named and what is installed (`packages_of`), then command lines that an
operator declares as handlers (`read_commands`). Nothing else is found: no request can name code to
import.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

GROUP = "apphub_jobs.handlers"
"""Entry points of this group name a module with a mapping `HANDLERS` from entry point names to
handlers."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """What handlers reach of the host beside their own directories.

    Attributes:
        hidden: files and directories that they shall not see; empty where they are trusted, and see
            and change whatever the worker's user may.
        writable: directories in which they may change files, beside temporary ones.
        withheld: ids of users whose files root's handlers shall not reach, whatever they see.
        variables: names of the worker's variables that they are given.
        variables_of: further ones, by the module or the command (`command.NAME`) that is given
            them; it shares them with its package.
    """

    hidden: Sequence[str] = ()
    writable: Sequence[str] = ()
    withheld: Sequence[int] = ()
    variables: Sequence[str] = ()
    variables_of: Mapping[str, Sequence[str]] = field(default_factory=dict)


TRUSTED = Access()


@dataclass(frozen=True)
class HandlerSource:
    """What the operator named, beside the built-in handlers and those of installed packages.

    Attributes:
        modules: modules with a mapping `HANDLERS`.
        commands: command lines by the names under which `command.NAME` runs them.
        access: what the handlers reach of the host.
        directories: where the modules are looked for before the current directory.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    access: Access = TRUSTED
    directories: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class HandlerPackage:
    """Handlers that trust each other: one after the other may run in the same process.

    Attributes:
        modules: what its processes import; each has a mapping `HANDLERS`.
        commands: as the source has them.
        directories: where its processes look for modules first.
        shown: which of the service's own packages its processes may import.
        hidden, writable, withheld: as `Access` has them; what is built in works with some of what
            is hidden from others.
        pass_env: names of the worker's variables that its processes are given.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    directories: Sequence[str] = ()
    shown: Sequence[str] = ()
    hidden: Sequence[str] = ()
    writable: Sequence[str] = ()
    withheld: Sequence[int] = ()
    pass_env: Sequence[str] = ()


BUILTIN = HandlerPackage(modules=("catalog.handlers.builtin",), shown=("catalog",))


def packages_of(source: HandlerSource) -> list[HandlerPackage]:
    """Return the operator's modules, each installed distribution, the commands, what is built in.

    The operator's modules may lie in the current directory, whatever Python's path is here.
    Commands that are given other variables are another package.

    Raises:
        ValueError: variables are given to a module or a command that is not there.
    """
    installed = _installed()
    in_distributions = set(chain.from_iterable(installed))
    named = [module for module in _once(source.modules) if module not in in_distributions]
    packages = [_of_operator(modules, source) for modules in installed]
    if named:
        packages.insert(0, _of_operator(named, source, source.directories))
    packages += _of_commands(source)
    _refuse_unknown(source.access.variables_of, packages)
    packages.append(BUILTIN)
    return packages


def _of_commands(source: HandlerSource) -> list[HandlerPackage]:
    by_variables: dict[tuple[str, ...], dict[str, Sequence[str]]] = {}
    for name, argv in source.commands.items():
        variables = _variables_of([f"command.{name}"], source.access)
        by_variables.setdefault(variables, {})[name] = argv
    return [
        HandlerPackage(commands=commands, pass_env=names, **_reach(source.access))
        for names, commands in by_variables.items()
    ]


def _refuse_unknown(
    variables_of: Mapping[str, Sequence[str]], packages: Sequence[HandlerPackage]
) -> None:
    known: list[str] = []
    for package in packages:
        known += package.modules
        known += [f"command.{name}" for name in package.commands]
    for name in variables_of:
        if name not in known:
            msg = f"--pass-env: no handlers are called {name!r}; there are: {', '.join(known)}"
            raise ValueError(msg)


def _variables_of(modules: Sequence[str], access: Access) -> tuple[str, ...]:
    names = [*access.variables]
    for module in modules:
        names += access.variables_of.get(module, ())
    return tuple(sorted(set(names)))


def _reach(access: Access) -> dict[str, Any]:
    return {"hidden": access.hidden, "writable": access.writable, "withheld": access.withheld}


def _of_operator(
    modules: Sequence[str], source: HandlerSource, directories: Sequence[str] = ()
) -> HandlerPackage:
    current = os.getcwd()  # noqa: PTH109 - a text is what the path holds
    return HandlerPackage(
        modules=modules,
        directories=(*directories, current),
        pass_env=_variables_of(modules, source.access),
        **_reach(source.access),
    )


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _installed() -> list[list[str]]:
    """Return the modules that each installed distribution offers."""
    found: dict[str, list[str]] = {}
    for entry_point in entry_points(group=GROUP):
        module = entry_point.value
        distribution = module
        if entry_point.dist is not None:
            distribution = entry_point.dist.name
        modules = found.setdefault(distribution, [])
        modules.append(module)
    return [_once(modules) for modules in found.values()]


def to_start_ahead(packages: Sequence[HandlerPackage], processes: int) -> list[HandlerPackage]:
    """Return whose each of so many processes should be before anybody knows what will run.

    One is of each package, as far as they go. The others are the operator's, for runs of the
    built-in handlers are few and take long.
    """
    operators = [package for package in packages if package is not BUILTIN]
    others = cycle(operators or packages)
    in_turns = chain(packages, others)
    return list(islice(in_turns, processes))


# The file in which an operator declares command lines as handlers.

OWN_VARIABLES = ("HOME", "TMPDIR", "PYTHONUNBUFFERED")
"""What each attempt has to itself."""


@dataclass(frozen=True)
class Command:
    """A command line, and which of the worker's variables it is given."""

    argv: Sequence[str]
    pass_env: Sequence[str] = ()


def read_commands(path: Path) -> Mapping[str, Command]:
    """Read `{"NAME": ["program", "argument", …], …}`.

    A command that is given variables is `{"command": ["program", …], "passEnv": ["VARIABLE", …]}`.

    Raises:
        ValueError: the file says something else, or a program is not there.
    """
    try:
        declared = json.loads(path.read_text())
        commands = {name: _command(told) for name, told in declared.items()}
    except (TypeError, AttributeError, ValueError) as error:
        msg = f'{path} must hold {{"NAME": ["program", "argument"]}}: {error!r}'
        raise ValueError(msg) from None
    for name, command in commands.items():
        _check_program(path, name, command.argv[0])
    return commands


def _command(told: Any) -> Command:
    if not isinstance(told, dict):
        return Command(_argv(told))
    unknown = [name for name in told if name not in {"command", "passEnv"}]
    if unknown:
        msg = f"a command has 'command' and 'passEnv', not {unknown[0]!r}"
        raise TypeError(msg)
    names = told.get("passEnv", [])
    if not isinstance(names, list):
        msg = "passEnv is a list of names of variables"
        raise TypeError(msg)
    return Command(_argv(told.get("command")), [variable_name(name) for name in names])


def variable_name(name: object) -> str:
    """Return the name of a variable that handlers may be given.

    Raises:
        ValueError: it is none, or each attempt has one of its own.
    """
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        msg = f"{name!r} is no name of a variable; give names such as API_KEY"
        raise ValueError(msg)
    if name in OWN_VARIABLES:
        msg = f"{name} cannot be passed: each attempt has its own"
        raise ValueError(msg)
    return name


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _argv(argv: object) -> list[str]:
    if isinstance(argv, list) and argv:
        are_texts = [isinstance(part, str) for part in argv]
        if all(are_texts):
            return argv
    msg = "a command is a list of texts, the program first"
    raise TypeError(msg)


def _check_program(path: Path, name: str, program: str) -> None:
    is_relative = "/" in program and not Path(program).is_absolute()
    if is_relative:
        why = "an attempt has a directory of its own"
        msg = f"{path}: the program of {name!r} must begin with /, for {why}: {program}"
        raise ValueError(msg)
    if shutil.which(program) is None:
        msg = f"{path}: the program of {name!r} is not there, or cannot be run: {program}"
        raise ValueError(msg)
