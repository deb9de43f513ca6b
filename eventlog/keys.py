"""A log's files beside its database: private keys, and the directory of archives.

First private files; then the master key, which wraps the subjects' keys; then the paths of all
files that readers of a log need (`LogFiles`); then the keys of seals. Uses no other part of the
log.
"""

import hmac
import logging
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import SubjectKeysUnavailableError
from runtime.files import write_whole

logger = logging.getLogger(__name__)

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file, whole or not at all, that only its owner can read and write.

    Raises:
        FileExistsError: the file exists, and `replace` is false; it is left alone.
        OSError: it cannot be written; a file that existed is unchanged.
    """
    write_whole(path, content, mode=0o600, replace=replace)


def is_open_to_others(path: Path) -> bool:
    """Return whether the file's permissions let users other than its owner do anything."""
    return bool(path.stat().st_mode & _OTHERS)


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
            write_private(self.path, content.encode("ascii"), replace=replace)
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


# The keys of seals: Ed25519, in PEM files outside the database.
#
# A key file has the private key that signs seals, and may have the public keys of former ones after
# it, whose seals are still trusted. A file with public keys alone can check seals, but make none.

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----\n?", re.DOTALL)


class SealKeyError(Exception):
    """A file of keys cannot be used; the message says why."""


@dataclass(frozen=True)
class SealKeys:
    """Trusted keys, and the private key if this process may seal.

    Attributes:
        public: the trusted keys, the present one first.
        private: the present private key; None if only seals are checked.
    """

    public: tuple[Ed25519PublicKey, ...]
    private: Ed25519PrivateKey | None = None

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether one of the trusted keys signed the message."""
        return any(_is_signed_by(key, message, signature) for key in self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the present key's signature.

        Raises:
            SealKeyError: there are only public keys.
        """
        if self.private is None:
            raise SealKeyError("there is no private key to seal with")
        return self.private.sign(message)

    @property
    def id(self) -> str:
        """Return the present key's id: the beginning of its hash, as 16 hexadecimal digits."""
        return sha256(self.public[0].public_bytes_raw()).hexdigest()[:16]

    def public_pem(self) -> bytes:
        """Return all trusted keys in PEM form, for those who check the seals."""
        encoding = serialization.Encoding.PEM
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return b"".join([key.public_bytes(encoding, form) for key in self.public])


def create_keys(path: Path) -> SealKeys:
    """Make a new key in a new file that only its owner can read.

    Raises:
        FileExistsError: the file exists; it is left alone.
        OSError: it cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    write_private(path, text, replace=False)
    return SealKeys((private.public_key(),), private)


def read_keys(path: Path) -> SealKeys:
    """Read a file of keys.

    Raises:
        SealKeyError: it cannot be read, or has anything but unencrypted Ed25519 keys.
    """
    try:
        private, public = _parse_seal_keys(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SealKeyError(f"cannot use the keys in {path}: {error}") from None
    if len(private) > 1 or not (private or public):
        raise SealKeyError(
            f"{path} holds {len(private)} private and {len(public)} public keys in PEM form"
        )
    if not private:
        return SealKeys(tuple(public))
    if is_open_to_others(path):
        logger.warning(
            "%s can be read by others than its owner: whoever has this key can rewrite history",
            path,
        )
    [present] = private
    return SealKeys((present.public_key(), *public), present)


def _parse_seal_keys(text: bytes) -> tuple[list[Ed25519PrivateKey], list[Ed25519PublicKey]]:
    private = []
    public = []
    for block in _BLOCK.finditer(text):
        if b"PRIVATE" in block[1]:
            private.append(_parse_private(block[0]))
        else:
            public.append(_parse_public(block[0]))
    return private, public


def _parse_private(pem: bytes) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 private key")
    return key


def _parse_public(pem: bytes) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("not an Ed25519 public key")
    return key


def _is_signed_by(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
