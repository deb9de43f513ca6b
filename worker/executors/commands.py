"""The file in which an operator declares command lines as handlers."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.executors.local.handlers_process import OWN_VARIABLES


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
        msg = (
            f"{path}: the program of {name!r} is not there, or cannot be run: {program}"
        )
        raise ValueError(msg)
