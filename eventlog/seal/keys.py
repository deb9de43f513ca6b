"""The keys of seals: Ed25519, in PEM files outside the database.

A key file has the private key that signs seals, and may have the public keys of former ones after
it, whose seals are still trusted. A file with public keys alone can check seals, but make none.
"""

import logging
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runtime.files import is_open_to_others, write_atomically

logger = logging.getLogger(__name__)

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
    write_atomically(path, text, mode=0o600, replace=False)
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
