"""Tells stores of run logs apart: a process that finds no log can say whether it lies elsewhere."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from api.bootstrap.log_stores import DIRECTORY

ID_NAME = "id"
"""In the directory of run logs: what all who share the directory call it, by whatever path."""


def logs_place(url: str | None, data_dir: Path) -> str | None:
    """Return the store's URL or the directory's id; None where the directory tells none."""
    if url is not None:
        return url
    directory = data_dir / DIRECTORY
    with suppress(OSError):
        return _id_in(directory)
    return None


def _id_in(directory: Path) -> str:
    file = directory / ID_NAME
    if not file.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(file)
    return file.read_text(encoding="utf-8").strip()


def _make(file: Path) -> None:
    """Make the file such that it appears whole, and is made once."""
    new_id = uuid4()
    unfinished = file.with_name(f"{ID_NAME}.{new_id}")
    unfinished.write_text(f"{new_id}\n", encoding="utf-8")
    with suppress(FileExistsError):
        os.link(unfinished, file)
    unfinished.unlink()
