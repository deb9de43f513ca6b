"""The file in which an operator declares command lines as handlers."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_commands(path: Path) -> Mapping[str, Sequence[str]]:
    """Read `{"NAME": ["program", "argument", …], …}`.

    Raises:
        ValueError: the file says something else, or a program is not there.
    """
    try:
        declared = json.loads(path.read_text())
        commands = {name: _argv(argv) for name, argv in declared.items()}
    except (TypeError, AttributeError, ValueError) as error:
        msg = f'{path} must hold {{"NAME": ["program", "argument"]}}: {error!r}'
        raise ValueError(msg) from None
    for name, argv in commands.items():
        _check_program(path, name, argv[0])
    return commands


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
