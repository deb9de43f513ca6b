"""When a peer's task started, told in a file: of each task a line."""

import os
import time
from pathlib import Path

STARTS_FILE = "STARTS_FILE"
"""The environment variable that names it."""


def note_start() -> None:
    """Note this moment, by the clock that all processes of a machine share."""
    started_ns = time.monotonic_ns()
    with Path(os.environ[STARTS_FILE]).open("a") as file:
        file.write(f"{started_ns}\n")
