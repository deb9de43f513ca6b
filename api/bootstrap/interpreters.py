"""Which Python runs an operator's handlers: the one of their own environment, not the service's.

First the file that lists handlers with their interpreters, then what `--python` names, then the
default: the active virtual environment, else the one of the project that the handlers lie in.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from worker.executors.packages import SERVICE_INTERPRETER, Interpreter

LISTS = (".yaml", ".yml", ".json")
"""Suffixes of files that list handlers."""

PROGRAM = "bin/python"
"""The interpreter of an environment."""


def listed_handlers(file: Path) -> dict[str, str]:
    """Return the interpreter of each module that a file lists; empty where it names none.

    The file holds `[{"package": MODULE or FILE.py, "python": PATH}, …]`; relative paths begin at
    its directory.

    Raises:
        ValueError: it has another form; the message says which.
        OSError: it cannot be read.
    """
    try:
        entries = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        msg = f"{file} is neither YAML nor JSON: {error}"
        raise ValueError(msg) from None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        msg = (
            f"{file} must hold a list of handlers: - package: MODULE or FILE.py, and, where they"
            " have an environment of their own, python: PATH"
        )
        raise ValueError(msg)
    return {
        _module_or_path(file, entry["package"]): _path_from(file, entry.get("python"))
        for entry in entries
    }


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or "package" not in entry:
        return False
    has_known_keys = entry.keys() <= {"package", "python"}
    return has_known_keys and all(isinstance(value, str) and value for value in entry.values())


def _module_or_path(file: Path, package: str) -> str:
    is_path = "/" in package or package.endswith(".py")
    return _path_from(file, package) if is_path else package


def _path_from(file: Path, path: str | None) -> str:
    """Return a path that begins at the file's directory, unless it is absolute; empty for none."""
    return os.path.join(file.parent, path) if path else ""  # noqa: PTH118 - a text


def named_interpreters(options: Sequence[str]) -> dict[str, str]:
    """Return the paths that `--python` names, by module or file; by "" the one for all.

    Raises:
        ValueError: an option names no path.
    """
    paths: dict[str, str] = {}
    for text in options:
        owner, colon, path = text.rpartition(":")
        if not path or (colon and not owner):
            msg = f"--python: {text!r} is neither PATH nor MODULE:PATH"
            raise ValueError(msg)
        paths[owner] = path
    return paths


def interpreter_at(path: str) -> Interpreter | None:
    """Return the interpreter at a path, or of an environment's directory; None for the service's.

    Raises:
        ValueError: there is none.
    """
    program = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - links stay
    if os.path.isdir(program):  # noqa: PTH112
        program = f"{program}/{PROGRAM}"
    if not os.access(program, os.X_OK):
        msg = f"--python: {program} is not there, or cannot be run"
        raise ValueError(msg)
    return None if _is_own(program) else Interpreter(program)


def default_interpreter(directory: Path, environment: Mapping[str, str]) -> Interpreter | None:
    """Return the interpreter of handlers for which the operator names none.

    It is that of the active virtual environment, else that of the project that the handlers lie in;
    None stands for the service's own.

    Args:
        directory: the handlers' directory.
        environment: variables, of which `VIRTUAL_ENV` names the active virtual environment.
    """
    active = environment.get("VIRTUAL_ENV")
    candidates = [Path(active)] if active else []
    candidates += [
        above / ".venv"
        for above in (directory, *directory.parents)
        if (above / "pyproject.toml").is_file()
    ][:1]
    for candidate in candidates:
        if os.access(candidate / PROGRAM, os.X_OK):
            return interpreter_at(str(candidate))
    return None


def directory_of_module(module: str, directories: Sequence[str]) -> Path:
    """Return where a module lies; the current directory if it is installed somewhere."""
    name = module.partition(".")[0]
    current = Path.cwd()
    path = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    for directory in (*map(Path, directories), current, *map(Path, path)):
        if (directory / name).is_dir() or (directory / f"{name}.py").is_file():
            return directory.resolve()
    return current


def _is_own(program: str) -> bool:
    """Return whether a program is the service's own interpreter, in its own environment."""
    same_environment = Path(program).parent.parent.resolve() == Path(sys.prefix).resolve()
    own_path = os.path.realpath(SERVICE_INTERPRETER.path)
    return same_environment and os.path.realpath(program) == own_path
