"""The operator's handlers, checked before anything starts.

First the modules that an operator names, by module or by file (`modules_of`); then their packages
(`handler_packages`) and what handlers may reach of the host (`handler_source`); last the variables
that are passed to them. `interpreters.py` chooses the Pythons that run them.
"""

import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from api.bootstrap.interpreters import (
    LISTS,
    default_interpreter,
    directory_of_module,
    interpreter_at,
    listed_handlers,
    named_interpreters,
)
from worker.executors.local.probe import probe_packages
from worker.executors.packages import (
    TRUSTED,
    Access,
    HandlerPackage,
    HandlerSource,
    Interpreter,
    check_variable_name,
    collect_packages,
    read_commands,
)

logger = logging.getLogger(__name__)

SUFFIX = ".py"


@dataclass(frozen=True)
class NamedModules:
    """The modules that an operator names.

    Attributes:
        modules: each module by the name that the operator gave, a module's or a file's.
        directories: where Python finds the modules that were named by a file.
    """

    modules: Mapping[str, str]
    directories: Sequence[str]


def modules_of(names: Sequence[str]) -> NamedModules:
    """Return the modules that an operator names, by module or by file.

    Raises:
        ValueError: a file does not exist or cannot be imported; the message says why.
    """
    modules: dict[str, str] = {}
    directories: dict[str, None] = {}
    for name in names:
        if name.endswith(SUFFIX) or "/" in name:
            module, directory = _module_of_file(Path(name))
            modules[name] = module
            directories[str(directory)] = None
        else:
            modules[name] = name
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


def handler_packages(
    modules: Sequence[str] | None,
    commands: Path | None,
    access: Access = TRUSTED,
    pythons: Sequence[str] | None = None,
) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point, as probe processes find it.

    Args:
        modules: names of modules, or of files.
        commands: the file of declared command lines.
        access: what handlers may reach of the host.
        pythons: interpreters, `PATH` for all modules, `MODULE:PATH` for some.

    Raises:
        ValueError: a module or a command is invalid; the message says why and what to do.
        OSError: the file of commands cannot be read.
    """
    source = handler_source(modules or (), commands, access, pythons or ())
    return probe_packages(collect_packages(source))


def handler_source(
    modules: Sequence[str],
    commands: Path | None,
    access: Access = TRUSTED,
    pythons: Sequence[str] = (),
) -> HandlerSource:
    """Return the operator's modules and commands, with what handlers may reach.

    Raises:
        ValueError: a file or a program does not exist.
        OSError: a file cannot be read.
    """
    commands_by_name = read_commands(commands) if commands else {}
    pythons_of_lists: dict[str, str] = {}
    for name in modules:
        pythons_of_lists |= listed_handlers(Path(name)) if name.endswith(LISTS) else {name: ""}
    named_modules = modules_of(list(pythons_of_lists))
    argvs = {name: command.argv for name, command in commands_by_name.items()}
    variables_of = dict(access.variables_of)
    for name, command in commands_by_name.items():
        if command.pass_env:
            own_variables = variables_of.get(f"command.{name}", ())
            variables_of[f"command.{name}"] = (*own_variables, *command.pass_env)
    access = replace(access, variables_of=variables_of)
    return HandlerSource(
        list(named_modules.modules.values()),
        argvs,
        access,
        named_modules.directories,
        _interpreters(named_modules, pythons_of_lists, named_interpreters(pythons)),
    )


def _interpreters(
    named_modules: NamedModules, pythons_of_lists: Mapping[str, str], options: Mapping[str, str]
) -> dict[str, Interpreter]:
    """Return the interpreter of each module that is not run by the service's own.

    Args:
        named_modules: the modules that the operator names.
        pythons_of_lists: by name the path that a file of handlers gives; empty for none.
        options: by name the path that `--python` gives; by "" the one for all modules.

    Raises:
        ValueError: an option names no module, or an interpreter that does not exist.
    """
    for owner in options:
        if owner and owner not in {*named_modules.modules, *named_modules.modules.values()}:
            names = ", ".join(named_modules.modules) or "none"
            msg = f"--python: no handlers are called {owner!r}; there are: {names}"
            raise ValueError(msg)
    interpreters: dict[str, Interpreter] = {}
    for name, module in named_modules.modules.items():
        path = options.get(name) or options.get(module) or pythons_of_lists[name] or options.get("")
        if path:
            interpreter = interpreter_at(path)
        else:
            directory = directory_of_module(module, named_modules.directories)
            interpreter = default_interpreter(directory, os.environ)
        if interpreter is not None:
            interpreters[module] = interpreter
    return interpreters


def passed_variables(access: Access, options: Sequence[str]) -> Access:
    """Return the access with the variables that the operator passes to handlers.

    Args:
        access: what handlers may reach, without these variables.
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
            names += [check_variable_name(name.strip()) for name in names_text.split(",")]
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
