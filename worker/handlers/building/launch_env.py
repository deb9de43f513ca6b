"""The variables an app wants to be launched with, as its repository says (contract, section 9)."""

import re

from worker.handlers.untrusted.texts import plain, storable
from worker.handlers.untrusted.tree import Tree

TEMPLATES = (".env.template", ".env.example")

MAX_ENTRIES = 32
MAX_KEY_LENGTH = 200
MAX_VALUE_LENGTH = 2_000

_EXPORT = re.compile(r"^export\s+")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")
_BEFORE_COMMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^#])*""")


def launch_env_templates(tree: Tree) -> list[dict[str, str]]:
    """Return the `{key, value}` entries of the first template at the root that has any.

    The first entry of a key counts.
    """
    for name in TEMPLATES:
        text = tree.text(name)
        if text is None:
            continue
        entries = _entries(text)
        if entries:
            return entries
    return []


def _entries(text: str) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        assignment = _EXPORT.sub("", line.strip())
        if assignment.startswith("#"):
            continue
        left, equals, right = assignment.partition("=")
        key = left.strip()
        value = _plain(right.strip())
        if key and equals and _fits(key, value):
            found.setdefault(key, value)
    entries = [{"key": key, "value": value} for key, value in found.items()]
    return entries[:MAX_ENTRIES]


def _fits(key: str, value: str) -> bool:
    if len(key) > MAX_KEY_LENGTH or len(value) > MAX_VALUE_LENGTH:
        return False
    both = key + value
    return storable(both) and plain(both) == both


def _plain(value: str) -> str:
    """Return a value without its quotes, or without the comment behind it."""
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        return quoted[2]
    without_comment = _BEFORE_COMMENT.match(value)[0]  # type: ignore[index]  # it always matches
    return without_comment.rstrip()
