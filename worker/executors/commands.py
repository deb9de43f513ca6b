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
        commands = json.loads(path.read_text())
        read = {name: _argv(argv) for name, argv in commands.items()}
    except (TypeError, AttributeError, ValueError) as error:
        msg = f'{path} must hold {{"NAME": ["program", "argument"]}}: {error!r}'
        raise ValueError(msg) from None
    for name, argv in read.items():
        _check_program(path, name, argv[0])
    return read


def _argv(argv: object) -> list[str]:
    if not (isinstance(argv, list) and argv and all(isinstance(part, str) for part in argv)):
        msg = "a command is a list of texts, the program first"
        raise TypeError(msg)
    return argv


def _check_program(path: Path, name: str, program: str) -> None:
    if "/" in program and not Path(program).is_absolute():
        msg = f"{path}: give the program of {name!r} from the root on: attempts have directories of their own, where {program} is not"
        raise ValueError(msg)
    if shutil.which(program) is None:
        msg = f"{path}: the program of {name!r} is not there, or cannot be run: {program}"
        raise ValueError(msg)
