"""Which handlers there are, by package: processes run the handlers of one package, and no others.

Only what an operator installed or named is found; no request can name code to import.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from itertools import chain, cycle, islice

GROUP = "apphub_jobs.handlers"
"""Entry points of this group name a module with a mapping `HANDLERS` from entry point names to
handlers."""


@dataclass(frozen=True)
class HandlerSource:
    """What the operator named, beside the built-in handlers and those of installed packages.

    Attributes:
        modules: modules with a mapping `HANDLERS`.
        commands: command lines by the names under which `command.NAME` runs them.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class HandlerPackage:
    """Handlers that trust each other: one after the other may run in the same process.

    Attributes:
        modules: what its processes import; each has a mapping `HANDLERS`.
        commands: as the source has them.
        directories: where its processes look for modules first.
        shown: which of the service's own packages its processes may import.
    """

    modules: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    directories: Sequence[str] = ()
    shown: Sequence[str] = ()


BUILTIN = HandlerPackage(modules=("worker.handlers",), shown=("worker",))


def packages_of(source: HandlerSource) -> list[HandlerPackage]:
    """Return the operator's modules, each installed distribution, the commands, and the built-in handlers.

    The operator's modules may lie in the current directory, whatever Python's path is here.
    """
    directories = (os.getcwd(),)  # noqa: PTH109 - a text is what the path holds
    installed = _installed()
    known = {module for modules in installed for module in modules}
    named = [module for module in dict.fromkeys(source.modules) if module not in known]
    packages = [
        HandlerPackage(modules=modules, directories=directories)
        for modules in (named, *installed)
        if modules
    ]
    if source.commands:
        packages.append(HandlerPackage(commands=source.commands))
    return [*packages, BUILTIN]


def _installed() -> list[list[str]]:
    """Return the modules that each installed distribution offers."""
    found: dict[str, list[str]] = {}
    for entry_point in entry_points(group=GROUP):
        distribution = entry_point.value if entry_point.dist is None else entry_point.dist.name
        modules = found.setdefault(distribution, [])
        if entry_point.value not in modules:
            modules.append(entry_point.value)
    return list(found.values())


def to_start_ahead(packages: Sequence[HandlerPackage], processes: int) -> list[HandlerPackage]:
    """Return of which package each of so many processes should be, before anybody knows what will run.

    One is of each, as far as they go. The others are the operator's, for runs of the built-in
    handlers are few and take long.
    """
    operators = [package for package in packages if package is not BUILTIN]
    return list(islice(chain(packages, cycle(operators or packages)), processes))
