"""Which handlers there are, by package: processes run the handlers of one package, and no others.

Only what an operator installed or named is found; no request can name code to import.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from itertools import chain, cycle, islice
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


BUILTIN = HandlerPackage(modules=("worker.handlers.builtin",), shown=("worker",))


def packages_of(source: HandlerSource) -> list[HandlerPackage]:
    """Return the operator's modules, each installed distribution, the commands, what is built in.

    The operator's modules may lie in the current directory, whatever Python's path is here.
    Commands that are given other variables are another package.

    Raises:
        ValueError: variables are given to a module or a command that is not there.
    """
    installed = _installed()
    in_distributions = set(chain.from_iterable(installed))
    named = [
        module for module in _once(source.modules) if module not in in_distributions
    ]
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
    return {
        "hidden": access.hidden,
        "writable": access.writable,
        "withheld": access.withheld,
    }


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


def to_start_ahead(
    packages: Sequence[HandlerPackage], processes: int
) -> list[HandlerPackage]:
    """Return whose each of so many processes should be before anybody knows what will run.

    One is of each package, as far as they go. The others are the operator's, for runs of the
    built-in handlers are few and take long.
    """
    operators = [package for package in packages if package is not BUILTIN]
    others = cycle(operators or packages)
    in_turns = chain(packages, others)
    return list(islice(in_turns, processes))
