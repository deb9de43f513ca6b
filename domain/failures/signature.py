"""Which failures are alike: those of one job with the same reason, message and place in the code.

Messages are compared without their numbers, ids, paths and quoted texts. Of a traceback only the
innermost function of the handler's own code counts, not its line, which moves with each edit.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from domain.json_values import Json, canonical

DIGITS = 16
"""Hexadecimal digits of a fingerprint."""

MAX_TITLE_CHARACTERS = 200

MAX_COMPARED_CHARACTERS = 2_000
"""Characters of a message that are compared: the time of the patterns grows with its length."""

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
"""The word that replaces each text that varies from failure to failure, in this order."""

_BLANKS = re.compile(r"\s+")

_FRAME = re.compile(
    r'^[ \t]*File "(?P<file>[^"\n]+)", line \d+, in (?P<function>.+)$', re.MULTILINE
)
"""It matches within one line: with `\\s` it would scan all empty lines that follow, from each of
them."""

_FOREIGN = re.compile(
    r"[\\/](?:site-packages|dist-packages|apphub_jobs)[\\/]"
    r"|[\\/]lib[\\/]python\d[.\d]*[\\/]|^<"
)
"""Code that is not the handler's: libraries, Python's own, and code without a file."""

_WITHOUT_MESSAGE = frozenset({"worker_lost"})
"""Reasons whose message names only hosts and workers, and so does not distinguish failures."""


@dataclass(frozen=True)
class FailedAttempt:
    """A failed attempt, as far as it decides about the group.

    Attributes:
        job_id: the definition's id.
        reason: its `failureReason`.
        message: the attempt's error message.
        stack: the traceback; None if its handler raised nothing.
    """

    job_id: UUID
    reason: str
    message: str
    stack: str | None = None


@dataclass(frozen=True)
class Signature:
    """What failures of one group have in common.

    Attributes:
        fingerprint: names the group.
        title: for people: the message, with words in place of what varies.
        frame: the innermost function of the handler's own code, None if there is no traceback.
    """

    fingerprint: str
    title: str
    frame: str | None


def signature_of(failed: FailedAttempt) -> Signature:
    """Return what an attempt has in common with others of its group."""
    reason = failed.reason.replace("_", " ")
    message = normalised(failed.message)
    if failed.reason in _WITHOUT_MESSAGE:
        message = reason
    frame: str | None = None
    if failed.stack is not None:
        frame = innermost_frame(failed.stack)
    parts: list[Json] = [str(failed.job_id), failed.reason, message, frame]
    compared = canonical(parts)
    digest = sha256(compared).hexdigest()
    title = shortened(message) or reason
    return Signature(digest[:DIGITS], title, frame)


def normalised(message: str) -> str:
    """Return a message with a word in place of everything that varies."""
    text = message[:MAX_COMPARED_CHARACTERS]
    for word, pattern in _VARIABLE:
        text = pattern.sub(f"<{word}>", text)
    return _BLANKS.sub(" ", text).strip()


def innermost_frame(stack: str) -> str | None:
    """Return the last function of the handler's own code in a traceback of Python.

    For example `load in orders.py`. Of chained exceptions the last traceback counts.
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


def shortened(text: str) -> str:
    """Return a text cut to the length of a title."""
    if len(text) <= MAX_TITLE_CHARACTERS:
        return text
    return text[: MAX_TITLE_CHARACTERS - 1] + "…"
