"""What git says when it fails, for those who only know that they registered an app."""

import re

from worker.handlers.git.errors import GitError, RefusedError
from worker.handlers.untrusted.texts import redacted, shown

LINES = 8
"""Git's own last words; the cause stands near the end."""

_NO_LOGIN = r"could not read (Username|Password)|Authentication failed|returned error: 401"
_NO_ACCESS = r"returned error: 403"
_HOST_KEY = r"Host key verification failed"
_SSH_KEY = r"Permission denied \("
_REDIRECT = r"returned error: 30\d"
_FORBIDDEN_PATH = r"invalid path '|maximum allowed tree depth|File name too long"
_MEMORY = r"Out of memory, |unable to create thread"

# (what git says, what it means, whether another attempt would meet the same)
_MEANINGS: tuple[tuple[str, str, bool], ...] = (
    (
        _NO_LOGIN,
        "the server demands a user and password that this service lacks; the operator can give them",
        True,
    ),
    (_NO_ACCESS, "the server refuses access", True),
    (_HOST_KEY, "the operator has given no key to recognise this ssh server by", True),
    (
        _SSH_KEY,
        "the ssh server demands a key that this service lacks; the operator can give one",
        True,
    ),
    (
        _REDIRECT,
        "the server redirects, which is not followed where credentials are used; give its new address",
        True,
    ),
    (_FORBIDDEN_PATH, "the repository holds a path that cannot be checked out", True),
    (_MEMORY, "unpacking the repository takes more memory than a clone may use", True),
)


def failure(command: str, code: int, said: str, *, authenticated: bool) -> GitError:
    """Return the error that tells why a command failed: what it means, if that is known, and git's own last words."""
    words = "\n".join(lines_of(said)[-LINES:]) or f"exit code {code}"
    for pattern, meaning, permanent in _MEANINGS:
        if re.search(pattern, said):
            told = (
                meaning.replace("that this service lacks", "other than the operator's")
                if authenticated
                else meaning
            )
            return (RefusedError if permanent else GitError)(
                f"git {command} failed: {told}\n{words}"
            )
    return GitError(f"git {command} failed: {words}")


def warnings(said: str) -> list[str]:
    """Return what git warned of, such as a redirect."""
    return [line for line in lines_of(said) if line.startswith("warning:")]


def lines_of(said: str) -> list[str]:
    """Return what git said as it may be shown: without credentials, and short; a server can make it say anything."""
    return [shown(redacted(line.strip()), 300) for line in said.strip().splitlines()]
