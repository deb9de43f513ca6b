"""Personal data in a stored event: out of the open and back.

An event whose state begins with the member `encrypted` was written with fewer members than its
class has: marked parameters are missing, and their values lie in `encrypted`, by the id of the key
and the parameter's name, as base64 of nonce, ciphertext and tag (AES-256-GCM). Only a run's first
event has any. Its bytes never change, so seals hold; what changes is which keys there are. Whoever
reads an event decrypts it first, before upcasts and folds.

The digest of a launch's body would let somebody who guesses a value see that the guess is right. So
it is encrypted, too, by a key that follows from all keys of the run together: once one of them is
gone, so is the digest.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import StoredEvent

from domain.json_values import JsonObject
from domain.personal.marks import ERASED
from eventlog.keys.master import NONCE_BYTES

MARK = b'{"encrypted":{'
"""What a state with encrypted values begins with, and no other: so all that it costs the others is
this comparison."""

DIGEST = "request_digest"


class CiphertextError(ValueError):
    """An encrypted value is not what was stored."""


def encrypt(event: StoredEvent, keys: Mapping[str, tuple[UUID, bytes]]) -> StoredEvent:
    """Return the event with these parameters encrypted, each by its key (the key's id, and the key)."""
    state = orjson.loads(event.state)
    values: dict[str, dict[str, str]] = {}
    for name, (key_id, key) in keys.items():
        text = orjson.dumps(state["parameters"].pop(name))
        values.setdefault(str(key_id), {})[name] = _closed(
            key, text, _place(event.originator_id, name)
        )
    encrypted: dict[str, Any] = {"values": values}
    if state[DIGEST] is not None:
        joint = _joint({str(key_id): key for key_id, key in keys.values()})
        encrypted["digest"] = _closed(
            joint, state[DIGEST].encode(), _place(event.originator_id, None)
        )
        state[DIGEST] = None
    state = orjson.dumps({"encrypted": encrypted, **state})
    return StoredEvent(event.originator_id, event.originator_version, event.topic, state)


def encrypted_part(version: int, state: bytes) -> tuple[JsonObject, Sequence[str]] | None:
    """Return an event's state as it is stored and the ids of the keys that it needs; None if nothing is encrypted."""
    if version != 1 or not state.startswith(MARK):
        return None
    fields: JsonObject = orjson.loads(state)
    encrypted = cast("dict[str, dict[str, JsonObject]]", fields["encrypted"])
    return fields, [*encrypted["values"]]


def decrypt(aggregate_id: UUID, fields: JsonObject, keys: Mapping[str, bytes]) -> bytes:
    """Return the state as it would be if nothing had been encrypted, with what there is to say of it.

    `personal` has, by key id, the parameters that were encrypted; `erased`, if it is there, those
    of lost keys.

    Args:
        aggregate_id: whose event it is.
        fields: its stored state; it is changed.
        keys: those of the needed keys that there still are, by their ids.

    Raises:
        CiphertextError: somebody has changed what was stored.
    """
    encrypted: Any = fields.pop("encrypted")
    parameters = cast("JsonObject", fields["parameters"])
    erased: list[str] = []
    for key_id, values in encrypted["values"].items():
        key = keys.get(key_id)
        if key is None:
            erased += values
            parameters.update(dict.fromkeys(values, ERASED))
            continue
        for name, value in values.items():
            parameters[name] = orjson.loads(_opened(key, value, _place(aggregate_id, name)))
    if "digest" in encrypted:
        joint = None if erased else _joint({key_id: keys[key_id] for key_id in encrypted["values"]})
        place = _place(aggregate_id, None)
        fields[DIGEST] = (
            ERASED if joint is None else _opened(joint, encrypted["digest"], place).decode()
        )
    fields["personal"] = {key_id: sorted(values) for key_id, values in encrypted["values"].items()}
    if erased:
        fields["erased"] = [*sorted(erased)]
    return orjson.dumps(fields)


def _place(aggregate_id: UUID | str, name: str | None) -> bytes:
    """Return what a ciphertext is bound to, so that it can be moved nowhere else."""
    return f"{aggregate_id} {DIGEST if name is None else f'parameters {name}'}".encode()


def _joint(keys: Mapping[str, bytes]) -> bytes:
    return sha256(b"joint key " + b"".join(key for _, key in sorted(keys.items()))).digest()


def _closed(key: bytes, text: bytes, place: bytes) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return b64encode(nonce + AESGCM(key).encrypt(nonce, text, place)).decode()


def _opened(key: bytes, value: str, place: bytes) -> bytes:
    try:
        raw = b64decode(value, validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        raise CiphertextError(
            f"the encrypted value of {place.decode()} is not what was stored"
        ) from None
