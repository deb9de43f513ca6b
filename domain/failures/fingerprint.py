"""Which failures are the same: those of one job that differ in nothing but what varies. Pure.

Messages are compared without their numbers, ids, paths and quoted texts; and of a traceback only
the innermost function of the handler's own code counts, not its line, which moves with each edit.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from domain.json_values import Json, canonical

DIGITS = 16
"""Of a fingerprint, hexadecimal."""

MAX_TITLE_CHARACTERS = 200

MOST_COMPARED = 2_000
"""Characters of a message that count; patterns take time by the length of what they search."""

_QUOTED = r"(?<!\w)'[^'\n]{0,200}'(?!\w)|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`"

_UUID = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"

_HEX = r"\b0x[0-9a-f]+\b|\b(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,}\b"

_VARIABLE = (
    ("url", re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"`<>]+", re.IGNORECASE)),
    ("text", re.compile(_QUOTED)),
    ("id", re.compile(_UUID, re.IGNORECASE)),
    ("path", re.compile(r"(?<![\w/.])(?:~|\.{1,2})?(?:/[\w.@+-]+){2,}/?")),
    ("path", re.compile(r"\b[A-Za-z]:\\[^\s'\"`<>]+")),
    ("id", re.compile(_HEX, re.IGNORECASE)),
    ("n", re.compile(r"(?<![A-Za-z_0-9])[-+]?\d+(?:[.,:]\d+)*")),
)
"""What varies from one failure to the next, and by which word it is replaced, in this order."""

_BLANKS = re.compile(r"\s+")

_FRAME = re.compile(
    r'^[ \t]*File "(?P<file>[^"\n]+)", line \d+, in (?P<function>.+)$', re.MULTILINE
)
"""Each line is looked at by itself: other blanks would let it go on, from every empty line, through
all empty lines that follow."""

_FOREIGN = re.compile(
    r"[\\/](?:site-packages|dist-packages|apphub_jobs)[\\/]"
    r"|[\\/]lib[\\/]python\d[.\d]*[\\/]|^<"
)
"""Code that is not the handler's: libraries, Python's own, and what has no file."""

_SAID_BY_REASON = frozenset({"worker_lost"})
"""Reasons whose message names hosts and workers, and nothing that would tell two of them apart."""


@dataclass(frozen=True)
class Failed:
    """An attempt that ended badly.

    Attributes:
        job_id: the definition's.
        reason: its `failureReason`.
        message: what it said.
        stack: the traceback, where its handler raised something.
    """

    job_id: UUID
    reason: str
    message: str
    stack: str | None = None


@dataclass(frozen=True)
class Likeness:
    """What failures of one group have in common.

    Attributes:
        fingerprint: names the group.
        title: for people: the message without what varies.
        frame: the innermost function of the handler's own code, None where there is no traceback.
    """

    fingerprint: str
    title: str
    frame: str | None


def likeness(failed: Failed) -> Likeness:
    """Return what a failure has in common with others of its group."""
    reason = failed.reason.replace("_", " ")
    told = normalised(failed.message)
    if failed.reason in _SAID_BY_REASON:
        told = reason
    frame: str | None = None
    if failed.stack is not None:
        frame = innermost_frame(failed.stack)
    parts: list[Json] = [
        str(failed.job_id),
        failed.reason,
        told,
        frame,
    ]
    compared = canonical(parts)
    digest = sha256(compared).hexdigest()
    title = shortened(told) or reason
    return Likeness(digest[:DIGITS], title, frame)


def normalised(message: str) -> str:
    """Return a message with a word in place of everything that varies."""
    told = message[:MOST_COMPARED]
    for word, pattern in _VARIABLE:
        told = pattern.sub(f"<{word}>", told)
    return _BLANKS.sub(" ", told).strip()


def innermost_frame(stack: str) -> str | None:
    """Return the last function of the handler's own code in a traceback of Python.

    It is for example `load in orders.py`. Of what is raised while something else is handled, the
    last traceback counts.
    """
    own: str | None = None
    for frame in _FRAME.finditer(stack):
        file = frame["file"]
        if _FOREIGN.search(file) is not None:
            continue
        *_, name = re.split(r"[\\/]", file)
        function = frame["function"].strip()
        own = f"{function} in {name}"
    return own


def shortened(told: str) -> str:
    """Return a title's worth of a text."""
    if len(told) <= MAX_TITLE_CHARACTERS:
        return told
    return told[: MAX_TITLE_CHARACTERS - 1] + "…"
