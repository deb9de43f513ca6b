"""The file of tokens: who holds which, read again when the operator changes it."""

import hmac
import json
import logging
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from api.access.guesses import Guesses

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How long a token may be good that the operator has just taken out of the file."""


@dataclass(frozen=True)
class Principal:
    """Somebody with a name, who may read or also write."""

    name: str
    may_write: bool


class Tokens:
    """The tokens that hold, and how often somebody may guess one."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ValueError: it says something else, or names a token that anybody has.
            OSError: it cannot be read.
        """
        self._path = path
        self._seen: tuple[int, ...] | None = _stamp(path)
        self._holders = read_tokens(path)
        self._looked_at_s = monotonic()
        self._guesses = Guesses()

    def holder_of(self, token: str, address: str) -> Principal | None:
        """Return whose token this is, or None.

        Raises:
            TooManyGuessesError: too many wrong ones came from this address.
        """
        self._look()
        self._guesses.check(address, token)
        found: Principal | None = None
        # All are compared, so that the time it takes tells nothing.
        for known, who in self._holders.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = who
        self._guesses.note(address, token, right=found is not None)
        return found

    def _look(self) -> None:
        """Read the file anew if it has changed; what is wrong with it changes nothing."""
        now_s = monotonic()
        if now_s - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = now_s
        before = self._seen
        try:
            self._seen = _stamp(self._path)
            if self._seen == before:
                return
            self._holders = read_tokens(self._path)
        except (OSError, ValueError) as error:
            if before is not None:  # Else it has been told.
                logger.error("going on with the tokens that are known: %s", error)  # noqa: TRY400
            if isinstance(error, OSError):
                self._seen = None
        else:
            logger.info("%s has changed: %d tokens", self._path, len(self._holders))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what differs once the file is written again."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def read_tokens(path: Path) -> Mapping[str, Principal]:
    """Read `{"TOKEN": {"principal": "name", "role": "read" | "write"}, …}`.

    That others on the machine can read the file is a warning.

    Raises:
        ValueError: the file says something else, or names a token that anybody has: an empty one.
    """
    shape = '{"TOKEN": {"principal": "name", "role": "read" or "write"}}'
    try:
        entries = json.loads(path.read_text(), object_pairs_hook=_each_once)
        tokens = {token: _principal(entry) for token, entry in entries.items()}
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} must hold {shape}: {error!r}") from None
    except _FileError as error:
        raise ValueError(f"{path} must hold {shape}: {error}") from None
    if not tokens:
        message = f"{path} must hold {shape}: it names no token at all"
        raise ValueError(message)
    for number, token in enumerate(tokens, 1):
        # Never the token itself: this is printed.
        if not token or token != token.strip():
            raise ValueError(
                f"{path}: token {number} is empty, or begins or ends with blanks"
            )
    _warn_of_readers(path)
    return tokens


class _FileError(Exception):
    """What is wrong with the file, without any token of it."""


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _FileError("the same token or field stands in it twice")
    return found


def _principal(entry: Mapping[str, object]) -> Principal:
    name = entry["principal"]
    if not isinstance(name, str) or not name.strip():
        raise _FileError("a principal is a name that is not blank")
    return Principal(name, _ROLES[str(entry["role"])])


def _warn_of_readers(path: Path) -> None:
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning(
            "%s holds tokens and is open to other users (mode %03o): chmod 600 it",
            path,
            stat.S_IMODE(mode),
        )


_ROLES = {"read": False, "write": True}
