"""What git says when it fails, for those who only know that they registered an app."""

import re

from worker.handlers.git.errors import GitError, RefusedError
from worker.handlers.untrusted.texts import redacted, shown

LINES = 8
"""Git's own last words; the cause stands near the end."""

_NO_LOGIN = (
    r"could not read (Username|Password)|Authentication failed|returned error: 401"
)
_NO_ACCESS = r"returned error: 403"
_HOST_KEY = r"Host key verification failed"
_SSH_KEY = r"Permission denied \("
_REDIRECT = r"returned error: 30\d"
_FORBIDDEN_PATH = r"invalid path '|maximum allowed tree depth|File name too long"
_MEMORY = r"Out of memory, |unable to create thread"

_LACKS = "that this service lacks"

_MEANINGS = {
    _NO_LOGIN: f"the server demands a user and password {_LACKS}; the operator can give them",
    _NO_ACCESS: "the server refuses access",
    _HOST_KEY: "the operator has given no key to recognise this ssh server by",
    _SSH_KEY: f"the ssh server demands a key {_LACKS}; the operator can give one",
    _REDIRECT: (
        "the server redirects, which is not followed where credentials are used;"
        " give its new address"
    ),
    _FORBIDDEN_PATH: "the repository holds a path that cannot be checked out",
    _MEMORY: "unpacking the repository takes more memory than a clone may use",
}
"""What git says, and what it means; another attempt would meet each of them, too."""


def failure(command: str, code: int, said: str, *, authenticated: bool) -> GitError:
    """Return the error that tells why a command failed, with git's own last words."""
    last = lines_of(said)[-LINES:]
    words = "\n".join(last) or f"exit code {code}"
    for pattern, meaning in _MEANINGS.items():
        if not re.search(pattern, said):
            continue
        told = meaning
        if authenticated:
            told = meaning.replace(_LACKS, "other than the operator's")
        return RefusedError(f"git {command} failed: {told}\n{words}")
    return GitError(f"git {command} failed: {words}")


def warnings(said: str) -> list[str]:
    """Return what git warned of, such as a redirect."""
    return [line for line in lines_of(said) if line.startswith("warning:")]


def lines_of(said: str) -> list[str]:
    """Return what git said as it may be shown: short, and without credentials.

    A server can make it say anything.
    """
    lines = said.strip().splitlines()
    return [shown(redacted(line.strip()), 300) for line in lines]
