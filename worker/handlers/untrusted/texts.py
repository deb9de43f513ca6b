"""Texts that strangers wrote: what can be stored, and what may be shown."""

import re

_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"]*@")


_STEERING = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # Colours, and moves of the cursor.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # Titles, links.
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x01-\x08\x0e-\x1f\x7f-\x9f]"
)
"""What a terminal would obey instead of showing it."""


def plain(text: str) -> str:
    """Return the text without what steers a terminal; it would be kept, and shown to others."""
    return _STEERING.sub("", text)


def storable(text: str) -> bool:
    """Return whether every store can hold the text.

    None holds a NUL, or half of a surrogate pair, which odd file names have.
    """
    encodable = text.encode("utf-8", "ignore").decode()
    return encodable == text and "\x00" not in text


def one_line(text: str, most: int) -> str | None:
    """Return the text as one line of at most `most` characters; None if empty or not storable."""
    words = plain(text[: 4 * most]).split()
    line = " ".join(words)[:most].strip()
    if not line or not storable(line):
        return None
    return line


def shown(text: str, most: int = 200) -> str:
    """Return the text as a log may show it: short, in one line, and unable to steer a terminal."""
    if len(text) > most:
        text = f"{text[:most]}…"
    characters = [_printable(character) for character in text]
    return "".join(characters)


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return "\N{REPLACEMENT CHARACTER}"


def redacted(text: str) -> str:
    """Return a text without the users and passwords that URLs in it may carry."""
    return _USERINFO.sub("", text)
