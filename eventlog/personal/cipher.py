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
from dataclasses import replace
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
    """Return the event with these parameters encrypted, each by its key, given with its id."""
    run_id = event.originator_id
    state = orjson.loads(event.state)
    parameters = state["parameters"]
    values: dict[str, dict[str, str]] = {}
    for name, (key_id, key) in keys.items():
        value = parameters.pop(name)
        text = orjson.dumps(value)
        place = _parameter_place(run_id, name)
        of_key = values.setdefault(str(key_id), {})
        of_key[name] = _closed(key, text, place)
    encrypted: dict[str, Any] = {"values": values}
    digest = state[DIGEST]
    if digest is not None:
        joint = _joint_of(keys)
        text = digest.encode()
        place = _digest_place(run_id)
        encrypted["digest"] = _closed(joint, text, place)
        state[DIGEST] = None
    fields = {"encrypted": encrypted, **state}
    return replace(event, state=orjson.dumps(fields))


def encrypted_part(
    version: int, state: bytes
) -> tuple[JsonObject, Sequence[str]] | None:
    """Return an event's stored state and the ids of the keys it needs; None if it needs none."""
    if version != 1 or not state.startswith(MARK):
        return None
    fields: JsonObject = orjson.loads(state)
    encrypted = cast("dict[str, dict[str, JsonObject]]", fields["encrypted"])
    key_ids = list(encrypted["values"])
    return fields, key_ids


def decrypt(aggregate_id: UUID, fields: JsonObject, keys: Mapping[str, bytes]) -> bytes:
    """Return the state as it would be if nothing had been encrypted, and what was.

    It has two members more: `personal` has, by key id, the parameters that were encrypted;
    `erased`, if any is lost, those whose keys are gone.

    Args:
        aggregate_id: whose event it is.
        fields: its stored state; it is changed.
        keys: by their ids, those of the needed keys that still exist.

    Raises:
        CiphertextError: somebody has changed what was stored.
    """
    encrypted: Any = fields.pop("encrypted")
    values_by_key = encrypted["values"]
    parameters = cast("JsonObject", fields["parameters"])
    personal: JsonObject = {}
    erased: list[str] = []
    for key_id, values in values_by_key.items():
        personal[key_id] = sorted(values)
        key = keys.get(key_id)
        if key is None:
            erased += values
            parameters |= dict.fromkeys(values, ERASED)
            continue
        for name, value in values.items():
            place = _parameter_place(aggregate_id, name)
            text = _opened(key, value, place)
            parameters[name] = orjson.loads(text)
    digest = encrypted.get("digest")
    if digest is not None:
        fields[DIGEST] = ERASED
        if not erased:
            needed = {key_id: keys[key_id] for key_id in values_by_key}
            joint = _joint(needed)
            place = _digest_place(aggregate_id)
            text = _opened(joint, digest, place)
            fields[DIGEST] = text.decode()
    fields["personal"] = personal
    if erased:
        fields["erased"] = [*sorted(erased)]
    return orjson.dumps(fields)


def _parameter_place(aggregate_id: UUID | str, name: str) -> bytes:
    """Return what a ciphertext is bound to, so that it can be moved nowhere else."""
    return f"{aggregate_id} parameters {name}".encode()


def _digest_place(aggregate_id: UUID | str) -> bytes:
    return f"{aggregate_id} {DIGEST}".encode()


def _joint_of(keys: Mapping[str, tuple[UUID, bytes]]) -> bytes:
    """Return the joint key of keys that are given with their ids, by parameter."""
    by_id: dict[str, bytes] = {}
    for key_id, key in keys.values():
        by_id[str(key_id)] = key
    return _joint(by_id)


def _joint(keys: Mapping[str, bytes]) -> bytes:
    hashed = sha256(b"joint key ")
    for _, key in sorted(keys.items()):
        hashed.update(key)
    return hashed.digest()


def _closed(key: bytes, text: bytes, place: bytes) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, text, place)
    encoded = b64encode(nonce + ciphertext)
    return encoded.decode()


def _opened(key: bytes, value: str, place: bytes) -> bytes:
    try:
        raw = b64decode(value, validate=True)
        nonce = raw[:NONCE_BYTES]
        ciphertext = raw[NONCE_BYTES:]
        return AESGCM(key).decrypt(nonce, ciphertext, place)
    except (InvalidTag, ValueError):
        what = f"the encrypted value of {place.decode()}"
        raise CiphertextError(f"{what} is not what was stored") from None
