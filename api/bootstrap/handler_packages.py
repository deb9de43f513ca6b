"""The handlers that an operator named, found before anything starts that would fail by them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.executors.commands import read_commands
from worker.executors.local.probe import offered
from worker.executors.packages import HandlerPackage, HandlerSource, packages_of


def handler_packages(
    modules: Sequence[str] | None, commands: Path | None, hidden: Sequence[str] = ()
) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point, as probe processes find it.

    Args:
        modules: that the operator named.
        commands: the file of command lines.
        hidden: files and directories that handlers shall not see.

    Raises:
        ValueError: a module or a command cannot be had; the message says why and what to do.
        OSError: the file of commands cannot be read.
    """
    declared = read_commands(commands) if commands else {}
    source = HandlerSource(tuple(modules or ()), declared, hidden)
    return offered(packages_of(source))
