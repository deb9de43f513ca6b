"""The master key, in a file outside the database: it wraps the subjects' keys, which lie in the database.

The file holds a key a line, as 64 hexadecimal digits; lines that begin with # say something to
people. The first key is the one to use; others after it were, and some subjects' keys may still be
wrapped by them.
"""

import hmac
import logging
import os
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import SubjectKeysUnavailableError

logger = logging.getLogger(__name__)

KEY_BYTES, NONCE_BYTES = 32, 12

_LINE = re.compile(r"[0-9a-f]{64}")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_HEADER = """\
# The master key of AppHub Jobs: it wraps the keys by which personal data are encrypted.
# Without it they are lost. A backup of it that outlives a rotation keeps alive what was erased
# before.
"""


@dataclass(frozen=True)
class MasterKey:
    """A master key. What it wraps, and how names are looked up, are two keys derived from it."""

    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """The key's name: the beginning of a hash, as 16 hexadecimal digits."""
        return sha256(b"apphub-jobs master key " + self.secret).hexdigest()[:16]

    def lookup(self, subject: str) -> bytes:
        """Return what the database knows the subject by: nobody can tell the name from it without this key."""
        return hmac.digest(self._derived(b"lookup"), subject.encode(), "sha256")

    def wrap(self, key_id: UUID, key: bytes, subject: str) -> bytes:
        """Return the subject's key, encrypted together with the subject's name."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._derived(b"wrap")).encrypt(
            nonce, key + subject.encode(), key_id.bytes
        )

    def unwrap(self, key_id: UUID, wrapped: bytes) -> tuple[bytes, str]:
        """Return the subject's key and the subject's name.

        Raises:
            SubjectKeysUnavailableError: somebody has changed what was wrapped.
        """
        nonce, rest = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            plain = AESGCM(self._derived(b"wrap")).decrypt(nonce, rest, key_id.bytes)
        except (InvalidTag, ValueError):
            raise SubjectKeysUnavailableError(
                f"the subject's key {key_id} is not what was stored"
            ) from None
        return plain[:KEY_BYTES], plain[KEY_BYTES:].decode()

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, purpose, "sha256")


class MasterKeyFile:
    """A file of master keys. It is read when a key is needed that is not known yet, so a rotation is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: tuple[MasterKey, ...] = ()

    def held(self) -> Sequence[MasterKey]:
        """Return the keys as last read; none if there is no file.

        Raises:
            SubjectKeysUnavailableError: the file cannot be used.
        """
        return self._keys or self.reload()

    def reload(self) -> Sequence[MasterKey]:
        """Read the file anew; see `held`."""
        try:
            lines = self.path.read_text(encoding="ascii").split("\n")
            mode = stat.S_IMODE(self.path.stat().st_mode)
        except FileNotFoundError:
            self._keys = ()
            return ()
        except (OSError, ValueError) as error:
            raise SubjectKeysUnavailableError(
                f"cannot read the master key of subjects: {error}"
            ) from None
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not found or not all(_LINE.fullmatch(line) for line in found):
            raise SubjectKeysUnavailableError(
                f"{self.path} holds something else than keys of 64 hexadecimal digits"
            )
        if mode & _OTHERS:
            logger.warning(
                "%s can be read by others than its owner: it opens all personal data", self.path
            )
        self._keys = tuple(MasterKey(bytes.fromhex(line)) for line in found)
        return self._keys

    def known(self, master_id: str) -> MasterKey:
        """Return the key of this name.

        Raises:
            SubjectKeysUnavailableError: the file has none, so it is not the one that this database
                is used with.
        """
        for read in (self.held, self.reload):
            for key in read():
                if key.id == master_id:
                    return key
        has = ", ".join(key.id for key in self._keys) or "no key"
        message = f"the keys of subjects in this database are wrapped by the master key {master_id}"
        raise SubjectKeysUnavailableError(
            f"{message}, but {self.path} has {has}: copy the right file there, or name it by --subject-key"
        )

    def create(self) -> MasterKey:
        """Return the file's first key, after making the file if there is none.

        Raises:
            SubjectKeysUnavailableError: it cannot be written.
        """
        if not self.reload():
            self.write([MasterKey(secrets.token_bytes(KEY_BYTES))], replace=False)
        return self.reload()[0]

    def write(self, keys: Sequence[MasterKey], *, replace: bool = True) -> None:
        """Write the file whole, readable by its owner alone; without `replace`, a file that is there is left alone.

        Raises:
            SubjectKeysUnavailableError: it cannot be written.
        """
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "w", encoding="ascii") as file:
                    file.write(_HEADER + "".join(f"{key.secret.hex()}\n" for key in keys))
                    file.flush()
                    os.fsync(file.fileno())
                if replace:
                    draft.replace(self.path)
                else:
                    _link(draft, self.path)
                _sync_directory(self.path.parent)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise SubjectKeysUnavailableError(
                f"cannot write the master key of subjects: {error}"
            ) from None
        self._keys = ()


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:  # Another process was faster; its key is as good.
        return


def _sync_directory(directory: Path) -> None:
    # A key that a crash takes away takes along what it has encrypted since.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
