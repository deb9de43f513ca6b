"""A log's files beside its database: private keys, and the directory of archives.

First the master key, which wraps the subjects' keys; then the paths of all files that readers of a
log need (`LogFiles`). Uses no other part of the log.
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
from runtime.files import is_open_to_others, write_atomically

logger = logging.getLogger(__name__)

# The master key, in a file: it wraps the subjects' keys, which are in the database.
#
# Each line of the file has a key, as 64 hexadecimal digits; lines that begin with # are comments.
# The first key is the present one. Further keys are former ones, by which some subjects' keys are
# still wrapped during a rotation.

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
    """A master key. Two keys are derived from it: one wraps keys, the other hashes names."""

    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """The key's id: the beginning of its hash, as 16 hexadecimal digits."""
        return sha256(b"apphub-jobs master key " + self.secret).hexdigest()[:16]

    def lookup(self, subject: str) -> bytes:
        """Return the keyed hash by which the database looks up a subject's name."""
        return hmac.digest(self._derived(b"lookup"), subject.encode(), "sha256")

    def wrap(self, key_id: UUID, key: bytes, subject: str) -> bytes:
        """Return the subject's key, encrypted together with the subject's name."""
        wrapping_key = self._derived(b"wrap")
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = key + subject.encode()
        return nonce + AESGCM(wrapping_key).encrypt(nonce, text, key_id.bytes)

    def unwrap(self, key_id: UUID, wrapped: bytes) -> tuple[bytes, str]:
        """Return the subject's key and the subject's name.

        Raises:
            SubjectKeysUnavailableError: the wrapped key was changed.
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
    """A file of master keys, which is read again when it lacks a key: it may have been rotated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: tuple[MasterKey, ...] = ()

    def last_read(self) -> Sequence[MasterKey]:
        """Return the keys as last read; none if there is no file.

        Raises:
            SubjectKeysUnavailableError: the file cannot be used.
        """
        return self._keys or self.reload()

    def reload(self) -> Sequence[MasterKey]:
        """Read the file again, and return its keys; none if there is no file.

        Raises:
            SubjectKeysUnavailableError: the file cannot be used.
        """
        try:
            text = self.path.read_text(encoding="ascii")
            is_open = is_open_to_others(self.path)
        except FileNotFoundError:
            self._keys = ()
            return ()
        except (OSError, ValueError) as error:
            raise SubjectKeysUnavailableError(
                f"cannot read the master key of subjects: {error}"
            ) from None
        keys = _parse_master_keys(text)
        if keys is None:
            raise SubjectKeysUnavailableError(
                f"{self.path} holds something else than keys of 64 hexadecimal digits"
            )
        if is_open:
            logger.warning(
                "%s can be read by others than its owner: it opens all personal data", self.path
            )
        self._keys = keys
        return self._keys

    def key(self, master_id: str) -> MasterKey:
        """Return the key of this id.

        Raises:
            SubjectKeysUnavailableError: the file has no such key, so it belongs to another
                database.
        """
        for read in (self.last_read, self.reload):
            for key in read():
                if key.id == master_id:
                    return key
        ids = ", ".join(key.id for key in self._keys) or "no key"
        raise SubjectKeysUnavailableError(
            f"the keys of subjects in this database are wrapped by the master key {master_id},"
            f" but {self.path} has {ids}: copy the right file there, or name it by --subject-key"
        )

    def create(self) -> MasterKey:
        """Return the file's first key; if there is no file, make one first.

        Raises:
            SubjectKeysUnavailableError: it cannot be written.
        """
        if not self.reload():
            self.write([MasterKey(secrets.token_bytes(KEY_BYTES))], replace=False)
        return self.reload()[0]

    def write(self, keys: Sequence[MasterKey], *, replace: bool = True) -> None:
        """Write the file, whole or not at all; without `replace`, an existing file is left alone.

        Raises:
            SubjectKeysUnavailableError: it cannot be written.
        """
        content = _HEADER + "".join([f"{key.secret.hex()}\n" for key in keys])
        try:
            write_atomically(self.path, content.encode("ascii"), mode=0o600, replace=replace)
        except FileExistsError:
            logger.debug("another process has just made %s; its key is as good", self.path)
        except OSError as error:
            raise SubjectKeysUnavailableError(
                f"cannot write the master key of subjects: {error}"
            ) from None
        self._keys = ()


def _parse_master_keys(text: str) -> tuple[MasterKey, ...] | None:
    """Return the keys in a file's text; None if it has none, or anything else."""
    keys = []
    for line in text.split("\n"):
        digits = line.strip()
        if not digits or line.startswith("#"):
            continue
        if not _LINE.fullmatch(digits):
            return None
        keys.append(MasterKey(bytes.fromhex(digits)))
    return tuple(keys) or None


@dataclass(frozen=True)
class LogFiles:
    """The files that readers of a log need besides the database.

    Attributes:
        archive: the directory of archive files; None if there is none: then archived events cannot
            be read.
        master_keys: the file of the master key of personal data; None if such data are not to be
            read.
    """

    archive: Path | None = None
    master_keys: MasterKeyFile | None = None
