"""The operator's handlers, checked before anything starts.

First handlers named by files (`example.py`) or modules (`modules_of`), then their packages
(`handler_packages`) and what they reach of the host (`handler_source`).
"""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from worker.executors.local.probe import offered
from worker.executors.packages import (
    TRUSTED,
    Access,
    HandlerPackage,
    HandlerSource,
    packages_of,
    read_commands,
    variable_name,
)

SUFFIX = ".py"


@dataclass(frozen=True)
class NamedModules:
    """Names of modules, and the directories of those that were named by a file."""

    modules: Sequence[str]
    directories: Sequence[str]


def modules_of(names: Sequence[str]) -> NamedModules:
    """Return the modules that an operator names, by module or by file.

    Raises:
        ValueError: a file does not exist or cannot be imported; the message says why.
    """
    modules: list[str] = []
    directories: dict[str, None] = {}
    for name in names:
        if name.endswith(SUFFIX) or "/" in name:
            module, directory = _module_of_file(Path(name))
            modules.append(module)
            directories[str(directory)] = None
        else:
            modules.append(name)
    return NamedModules(modules, list(directories))


def _module_of_file(path: Path) -> tuple[str, Path]:
    """Return a file's module, and the directory from which Python imports it."""
    if path.suffix != SUFFIX:
        msg = f"{path} is no Python file: give NAME.py, or a module's name such as package.jobs"
        raise ValueError(msg)
    if not path.is_file():
        msg = f"there is no file {path} in {Path.cwd()}"
        raise ValueError(msg)
    file = path.resolve()
    parts = [file.stem]
    directory = file.parent
    while (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        directory = directory.parent
    if "." in file.stem or parts[0] in sys.stdlib_module_names:
        msg = f"{path} cannot be imported by this name, which means something else: rename it"
        raise ValueError(msg)
    return ".".join(parts), directory


logger = logging.getLogger(__name__)


def handler_packages(
    modules: Sequence[str] | None, commands: Path | None, access: Access = TRUSTED
) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point, as probe processes find it.

    Args:
        modules: names of modules, or of files.
        commands: the file of declared command lines.
        access: what handlers may reach of the host.

    Raises:
        ValueError: a module or a command is invalid; the message says why and what to do.
        OSError: the file of commands cannot be read.
    """
    source = handler_source(modules or (), commands, access)
    return offered(packages_of(source))


def handler_source(
    modules: Sequence[str], commands: Path | None, access: Access = TRUSTED
) -> HandlerSource:
    """Return the operator's modules and commands, with what handlers may reach.

    Raises:
        ValueError: a file or a program does not exist.
        OSError: the file of commands cannot be read.
    """
    declared = read_commands(commands) if commands else {}
    named = modules_of(modules)
    argvs = {name: command.argv for name, command in declared.items()}
    variables_of = dict(access.variables_of)
    for name, command in declared.items():
        if command.pass_env:
            own_variables = variables_of.get(f"command.{name}", ())
            variables_of[f"command.{name}"] = (*own_variables, *command.pass_env)
    access = replace(access, variables_of=variables_of)
    return HandlerSource(named.modules, argvs, access, named.directories)


def passed_variables(access: Access, options: Sequence[str]) -> Access:
    """Return the access with the variables that the operator passes to handlers.

    Args:
        access: what handlers may reach besides.
        options: `NAME,…` for all handlers, `MODULE:NAME,…` or `command.NAME:NAME,…` for some.

    Raises:
        ValueError: something is not the name of a variable, or must not be passed.
    """
    for_all: list[str] = []
    for_some: dict[str, list[str]] = {}
    for text in options:
        owner, colon, names_text = text.rpartition(":")
        if colon and not owner:
            msg = f"--pass-env: {text!r} names no module before the colon"
            raise ValueError(msg)
        names = for_some.setdefault(owner, []) if colon else for_all
        try:
            names += [variable_name(name.strip()) for name in names_text.split(",")]
        except ValueError as error:
            msg = f"--pass-env: {error}"
            raise ValueError(msg) from None
    return replace(access, variables=for_all, variables_of=for_some)


def warn_of_unset_variables(
    packages: Iterable[HandlerPackage], variables: Mapping[str, str]
) -> None:
    """Warn the operator of variables that cannot be passed because they are not set."""
    for package in dict.fromkeys(packages):
        for name in package.pass_env:
            if name not in variables:
                owners = ", ".join((*package.modules, *package.commands))
                logger.warning(
                    "%s is not set here, and is not passed to the handlers of %s (docs/secrets.md)",
                    name,
                    owners,
                )
