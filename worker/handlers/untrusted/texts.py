"""Texts that strangers wrote: what can be stored, and what may be shown."""

import re

_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"]*@")


def storable(text: str) -> bool:
    """Return whether every store holds the text: no NUL, no half of a surrogate pair (as odd file names have)."""
    return "\x00" not in text and text.encode("utf-8", "ignore").decode() == text


def one_line(text: str, most: int) -> str | None:
    """Return the text as one line of at most so many characters; None where nothing is left, or nothing storable."""
    line = " ".join(text[: 4 * most].split())[:most].strip()
    return line if line and storable(line) else None


def shown(text: str, most: int = 200) -> str:
    """Return the text as a log may show it: short, in one line, and without characters that steer a terminal."""
    cut = text if len(text) <= most else f"{text[:most]}…"
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut
    )


def redacted(text: str) -> str:
    """Return a URL, or a text with URLs in it, without the users and passwords that they may carry."""
    return _USERINFO.sub("", text)
