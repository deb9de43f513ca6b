"""Handlers named by files, as people have them before there is any package: `example.py`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".py"


@dataclass(frozen=True)
class NamedModules:
    """Modules, and the directories in which those lie that were named by a file."""

    modules: Sequence[str]
    directories: Sequence[str]


def modules_of(given: Sequence[str]) -> NamedModules:
    """Return the modules that an operator names, by module or by file.

    Raises:
        ValueError: there is no such file, or none that can be imported; the message says why.
    """
    modules: list[str] = []
    directories: dict[str, None] = {}
    for name in given:
        if name.endswith(SUFFIX) or "/" in name:
            module, directory = _of_file(Path(name))
            modules.append(module)
            directories[str(directory)] = None
        else:
            modules.append(name)
    return NamedModules(modules, list(directories))


def _of_file(path: Path) -> tuple[str, Path]:
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
