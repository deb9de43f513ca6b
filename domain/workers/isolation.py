"""How far attempts are kept apart: what a job may ask for, and what a worker has room for."""

from typing import Literal, get_args

Isolation = Literal["process", "shared"]
"""A process to each attempt, or one for many."""

ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)
