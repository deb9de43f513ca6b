"""The master key, in a file: it wraps the subjects' keys, which lie in the database.

The file holds a key a line, as 64 hexadecimal digits; lines that begin with # say something to
people. The first key is the present one; those after it are former ones, by which some subjects'
keys may still be wrapped.
"""

import hmac
import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import SubjectKeysUnavailableError
from eventlog.keys.private_files import is_open_to_others, write_private

logger = logging.getLogger(__name__)

KEY_BYTES = 32

NONCE_BYTES = 12

_LINE = re.compile(r"[0-9a-f]{64}")

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
        """Return what the database knows the subject by; nobody gets the name from it alone."""
        return hmac.digest(self._derived(b"lookup"), subject.encode(), "sha256")

    def wrap(self, key_id: UUID, key: bytes, subject: str) -> bytes:
        """Return the subject's key, encrypted together with the subject's name."""
        wrapping_key = self._derived(b"wrap")
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = key + subject.encode()
        ciphertext = AESGCM(wrapping_key).encrypt(nonce, text, key_id.bytes)
        return nonce + ciphertext

    def unwrap(self, key_id: UUID, wrapped: bytes) -> tuple[bytes, str]:
        """Return the subject's key and the subject's name.

        Raises:
            SubjectKeysUnavailableError: somebody has changed what was wrapped.
        """
        nonce = wrapped[:NONCE_BYTES]
        encrypted = wrapped[NONCE_BYTES:]
        cipher = AESGCM(self._derived(b"wrap"))
        try:
            plain = cipher.decrypt(nonce, encrypted, key_id.bytes)
        except (InvalidTag, ValueError):
            raise SubjectKeysUnavailableError(
                f"the subject's key {key_id} is not what was stored"
            ) from None
        return plain[:KEY_BYTES], plain[KEY_BYTES:].decode()

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, purpose, "sha256")


class MasterKeyFile:
    """A file of master keys, read anew when an unknown one is needed: a rotation is noticed."""

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
        """Read the file anew, and return what `held` does.

        Raises:
            SubjectKeysUnavailableError: the file cannot be used.
        """
        try:
            text = self.path.read_text(encoding="ascii")
            open_to_others = is_open_to_others(self.path)
        except FileNotFoundError:
            self._keys = ()
            return ()
        except (OSError, ValueError) as error:
            raise SubjectKeysUnavailableError(
                f"cannot read the master key of subjects: {error}"
            ) from None
        keys = _keys_in(text)
        if keys is None:
            raise SubjectKeysUnavailableError(
                f"{self.path} holds something else than keys of 64 hexadecimal digits"
            )
        if open_to_others:
            logger.warning(
                "%s can be read by others than its owner: it opens all personal data",
                self.path,
            )
        self._keys = keys
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
        raise SubjectKeysUnavailableError(
            f"the keys of subjects in this database are wrapped by the master key {master_id},"
            f" but {self.path} has {has}: copy the right file there, or name it by --subject-key"
        )

    def create(self) -> MasterKey:
        """Return the file's first key, after making the file if there is none.

        Raises:
            SubjectKeysUnavailableError: it cannot be written.
        """
        if not self.reload():
            key = MasterKey(secrets.token_bytes(KEY_BYTES))
            self.write([key], replace=False)
        return self.reload()[0]

    def write(self, keys: Sequence[MasterKey], *, replace: bool = True) -> None:
        """Write the file whole; without `replace`, a file that is there is left alone.

        Raises:
            SubjectKeysUnavailableError: it cannot be written.
        """
        lines = [f"{key.secret.hex()}\n" for key in keys]
        content = _HEADER + "".join(lines)
        try:
            write_private(self.path, content.encode("ascii"), replace=replace)
        except FileExistsError:
            logger.debug(
                "another process has just made %s; its key is as good", self.path
            )
        except OSError as error:
            raise SubjectKeysUnavailableError(
                f"cannot write the master key of subjects: {error}"
            ) from None
        self._keys = ()


def _keys_in(text: str) -> tuple[MasterKey, ...] | None:
    """Return the keys that a file holds, None if that is not what it holds."""
    keys = []
    for line in text.split("\n"):
        digits = line.strip()
        if not digits or line.startswith("#"):
            continue
        if not _LINE.fullmatch(digits):
            return None
        key = MasterKey(bytes.fromhex(digits))
        keys.append(key)
    return tuple(keys) or None
