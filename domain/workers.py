"""How workers describe themselves: isolation, labels, and their registration."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

Isolation = Literal["process", "shared"]
"""Whether each attempt has a process of its own, or shares one with others."""

ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)


# Labels of workers: a job may require them of the worker that executes it.

Labels = Mapping[str, str]
"""Values by name."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
VALUE = r"^[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,199}$"

MAX_LABELS = 32


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Return labels that were typed as `name=value`.

    Raises:
        ValueError: a text is no label, a name is repeated, or there are too many.
    """
    labels: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not (re.fullmatch(NAME, name) and re.fullmatch(VALUE, value)):
            msg = (
                f"{text!r} is no label: write name=value, a name of letters, digits, - and _,"
                " a value that may also have . : / +; both begin with a letter or a digit"
            )
            raise ValueError(msg)
        if name in labels:
            msg = f"the label {name} is given twice"
            raise ValueError(msg)
        labels[name] = value
    if len(labels) > MAX_LABELS:
        msg = f"{len(labels)} labels are given; {MAX_LABELS} are the most"
        raise ValueError(msg)
    return labels


def has_labels(labels: Mapping[str, object], required: Mapping[str, object]) -> bool:
    """Return whether a worker with these labels executes runs of a job that requires the others."""
    return required.items() <= labels.items()


def labels_text(labels: Labels) -> str:
    """Return labels as a text for people, sorted by name."""
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


@dataclass(frozen=True)
class Python:
    """An interpreter that runs handlers.

    Attributes:
        path: its program.
        entry_points: of the handlers that it runs.
    """

    path: str
    version: str
    entry_points: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a worker registers when it starts.

    Attributes:
        lease_ms: for how long it may be silent before it is lost.
        version: of its program; None if it is not known.
        entry_points: that it executes; None if it may execute any.
        labels: that jobs may require.
        shared_slots: how many attempts may share processes; `slots` have one to themselves.
        pythons: which run its handlers; empty where they are not known.
    """

    host: str
    pid: int
    slots: int
    lease_ms: int
    version: str | None = None
    entry_points: Sequence[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    shared_slots: int = 0
    pythons: Sequence[Python] = ()
