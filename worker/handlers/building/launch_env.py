"""The variables that an app wants to be launched with, as its repository says (contract, section 9)."""

import re

from worker.handlers.untrusted.texts import storable
from worker.handlers.untrusted.tree import Tree

TEMPLATES = (".env.template", ".env.example")

MAX_ENTRIES = 32
MAX_KEY_LENGTH = 200
MAX_VALUE_LENGTH = 2_000

_EXPORT = re.compile(r"^export\s+")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")
_BEFORE_COMMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^#])*""")


def launch_env_templates(tree: Tree) -> list[dict[str, str]]:
    """Return the `{key, value}` entries of the first template at the root that has any; the first of a key counts."""
    return next((entries for name in TEMPLATES if (entries := _entries(tree.text(name) or ""))), [])


def _entries(text: str) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = _EXPORT.sub("", line.strip()).partition("=")
        key, value = key.strip(), _plain(value.strip())
        fits = (
            len(key) <= MAX_KEY_LENGTH and len(value) <= MAX_VALUE_LENGTH and storable(key + value)
        )
        if key and equals and not key.startswith("#") and fits:
            found.setdefault(key, value)
    return [{"key": key, "value": value} for key, value in list(found.items())[:MAX_ENTRIES]]


def _plain(value: str) -> str:
    """Return a value without its quotes, or without the comment behind it."""
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else _BEFORE_COMMENT.match(value)[0].rstrip()  # type: ignore[index]  # it always matches
