"""The keys of seals: Ed25519, in PEM files outside the database.

A key file holds the private key that seals, and may hold public keys of former ones after it, so
that what they sealed is still trusted. A file of public keys alone checks and seals nothing.
"""

import logging
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from eventlog.keys.private_files import is_open_to_others, write_private

logger = logging.getLogger(__name__)

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----\n?", re.DOTALL)


class SealKeyError(Exception):
    """A file of keys cannot be used; the message says why."""


@dataclass(frozen=True)
class SealKeys:
    """Keys that are trusted, and perhaps one to seal with.

    Attributes:
        public: the trusted keys, the present one first.
        private: the present key, where it is at hand.
    """

    public: tuple[Ed25519PublicKey, ...]
    private: Ed25519PrivateKey | None = None

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether one of the trusted keys signed the message."""
        return any(_verified(key, message, signature) for key in self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the present key's signature.

        Raises:
            SealKeyError: only public keys are at hand.
        """
        if self.private is None:
            raise SealKeyError("there is no private key to seal with")
        return self.private.sign(message)

    @property
    def id(self) -> str:
        """Return the present key's name: the beginning of its hash, as 16 hexadecimal digits."""
        return sha256(self.public[0].public_bytes_raw()).hexdigest()[:16]

    def public_pem(self) -> bytes:
        """Return all trusted keys as a file for those who check."""
        encoding = serialization.Encoding.PEM
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        blocks = [key.public_bytes(encoding, form) for key in self.public]
        return b"".join(blocks)


def create_keys(path: Path) -> SealKeys:
    """Make a new key in a new file that only its owner can read.

    Raises:
        FileExistsError: there is such a file already; it is left alone.
        OSError: it cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Whole or not at all: a file that was cut short would be taken for a broken key.
    write_private(path, text, replace=False)
    return SealKeys((private.public_key(),), private)


def read_keys(path: Path) -> SealKeys:
    """Read a file of keys.

    Raises:
        SealKeyError: it cannot be read, or holds something else than unencrypted Ed25519 keys.
    """
    try:
        private, public = _keys_in(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"cannot use the keys in {path}: {error}"
        raise SealKeyError(message) from None
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


def _keys_in(text: bytes) -> tuple[list[Ed25519PrivateKey], list[Ed25519PublicKey]]:
    private = []
    public = []
    for block in _BLOCK.finditer(text):
        if b"PRIVATE" in block[1]:
            private.append(_private(block[0]))
        else:
            public.append(_public(block[0]))
    return private, public


def _private(pem: bytes) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 private key")
    return key


def _public(pem: bytes) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("not an Ed25519 public key")
    return key


def _verified(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
