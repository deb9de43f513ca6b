"""What git says when it fails, for those who only know that they registered an app."""

import re

from worker.handlers.git.errors import GitError, RefusedError
from worker.handlers.git.origin import Origin
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
_BY_CREDENTIALS = " where credentials are used"
_FORBIDDEN_PATH = r"invalid path '|maximum allowed tree depth|File name too long"
_MEMORY = r"Out of memory, |unable to create thread"

_LACKS = "that this service lacks"

_MEANINGS = {
    _NO_LOGIN: f"the server demands a user and password {_LACKS}; the operator can give them",
    _NO_ACCESS: "the server refuses access",
    _HOST_KEY: "the operator has given no key to recognise this ssh server by",
    _SSH_KEY: f"the ssh server demands a key {_LACKS}; the operator can give one",
    _REDIRECT: (
        f"the server redirects, which is not followed{_BY_CREDENTIALS};"
        " give its new address"
    ),
    _FORBIDDEN_PATH: "the repository holds a path that cannot be checked out",
    _MEMORY: "unpacking the repository takes more memory than a clone may use",
}
"""What git says, and what it means; another attempt would meet each of them, too."""

_UNREACHED = re.compile(
    r"(failed|unable|could not|couldn't|ssh:) (to )?connect|timed out|refused|reset by peer"
    r"|no route to host|unreachable|empty reply|http/0\.9|weird server|kex_exchange|bad packet"
    r"|connection closed|wrong version number|handshake|is this a git repository|protocol error",
    re.IGNORECASE,
)
UNREACHED = "the server cannot be reached, or does not answer as git's servers do"
"""Whatever it was: else one could find out which ports are open, and what listens there."""

_UNREADABLE = re.compile(
    r"not appear to be a git repository|not a git repository|does not exist|bundle"
    r"|not a directory|no such file|permission denied|invalid gitfile|gitfile format",
    re.IGNORECASE,
)
UNREADABLE = "no repository can be read at"
"""Whatever there is: else one could find out which files there are."""


def failure(
    command: str,
    code: int,
    said: str,
    *,
    authenticated: bool,
    origin: Origin | None = None,
) -> GitError:
    """Return the error that tells why a command failed, with git's own last words.

    What a server said through git is left out: it may be the page of some other server, which
    whoever registered the app may not see.
    """
    failed = f"git {command} failed: "
    told = [line for line in lines_of(said) if not line.startswith("remote:")]
    whole = "\n".join(told)
    hidden = _hidden(whole, origin)
    if hidden is not None:
        return GitError(failed + hidden)
    last = "\n".join(told[-LINES:])
    words = last or f"exit code {code}"
    for pattern, meaning in _MEANINGS.items():
        if re.search(pattern, said) is None:
            continue
        explained = _explained(meaning, authenticated=authenticated)
        return RefusedError(f"{failed}{explained}\n{words}")
    return GitError(failed + words)


def _explained(meaning: str, *, authenticated: bool) -> str:
    if authenticated:
        return meaning.replace(_LACKS, "other than the operator's")
    return meaning.replace(_BY_CREDENTIALS, "")


def _hidden(told: str, origin: Origin | None) -> str | None:
    """Return what is said instead where git's words would tell of other servers or files."""
    if origin is not None and origin.scheme == "file":
        if not _UNREADABLE.search(told):
            return None
        place = shown(origin.shown, 300)
        return f"{UNREADABLE} {place}"
    if _UNREACHED.search(told):
        return UNREACHED
    return None


def warnings(said: str) -> list[str]:
    """Return what git warned of, such as a redirect."""
    return [line for line in lines_of(said) if line.startswith("warning:")]


def lines_of(said: str) -> list[str]:
    """Return what git said as it may be shown: short, and without credentials.

    A server can make it say anything.
    """
    # At no other sign that ends a line: it may stand in the middle of a server's words.
    lines = re.split(r"[\r\n]+", said)
    stripped = filter(None, map(str.strip, lines))
    return [shown(redacted(line), 300) for line in stripped]
