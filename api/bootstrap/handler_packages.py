"""The handlers that an operator named, found before anything starts that would fail by them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from api.bootstrap.handler_files import modules_of
from worker.executors.commands import read_commands
from worker.executors.local.probe import offered
from worker.executors.packages import (
    TRUSTED,
    Access,
    HandlerPackage,
    HandlerSource,
    packages_of,
)


def handler_packages(
    modules: Sequence[str] | None, commands: Path | None, access: Access = TRUSTED
) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point, as probe processes find it.

    Args:
        modules: names of modules, or of files.
        commands: the file of declared command lines.
        access: what handlers reach of the host.

    Raises:
        ValueError: a module or a command cannot be had; the message says why and what to do.
        OSError: the file of commands cannot be read.
    """
    source = handler_source(modules or (), commands, access)
    return offered(packages_of(source))


def handler_source(
    modules: Sequence[str], commands: Path | None, access: Access = TRUSTED
) -> HandlerSource:
    """Return what an operator names, and what handlers reach.

    Raises:
        ValueError: there is no such file, or a program is not there.
        OSError: the file of commands cannot be read.
    """
    declared = read_commands(commands) if commands else {}
    named = modules_of(modules)
    return HandlerSource(named.modules, declared, access, named.directories)
