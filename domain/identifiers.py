"""Ids. Where two writers must not create the same thing twice, its id is derived from its name."""

from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0a7c52-59a6-5f0c-9b2f-0d9f5a1f8c11")
"""Root of every derived id. Part of the on-disk format: another one would orphan what is stored."""


class UniqueSlot(NamedTuple):
    """The values of a unique job's key: only one of its runs holds a slot at a time."""

    definition_id: UUID
    value: str


class SlotClaim(NamedTuple):
    """A new run's claim to a slot; `replaced` is the run that gives way, None if it is free."""

    slot: UniqueSlot
    run_id: UUID
    replaced: UUID | None


@lru_cache(maxsize=4_096)
def definition_id(slug: str) -> UUID:
    """Return the id of the definition with this slug, ignoring (ASCII) case."""
    folded = _folded(slug)
    return uuid5(_NAMESPACE, f"job-definition:{folded}")


def derived_id(kind: str, name: str) -> UUID:
    """Return the id of an aggregate by its kind and the name that clients give it."""
    return uuid5(_NAMESPACE, f"{kind}:{name}")


def run_id_for_key(principal: str, slug: str, idempotency_key: str) -> UUID:
    """Return the id of the run that this principal launches of this job under this key."""
    # The parts may hold any printable character, so their lengths keep ("a", "b:c") and ("a:b",
    # "c") apart.
    lengths = f"{len(principal)}.{len(slug)}"
    folded = _folded(slug)
    return uuid5(_NAMESPACE, f"job-run:{lengths}:{principal}:{folded}:{idempotency_key}")


def retry_id_for_key(principal: str, run_id: UUID, idempotency_key: str) -> UUID:
    """Return the id of the run by which this principal retries a run under this key."""
    return uuid5(_NAMESPACE, f"retry:{len(principal)}:{principal}:{run_id}:{idempotency_key}")


def triggered_run_id_for_key(principal: str, schedule: UUID, idempotency_key: str) -> UUID:
    """Return the id of the run of a schedule that this principal triggers under this key."""
    return uuid5(_NAMESPACE, f"trigger:{len(principal)}:{principal}:{schedule}:{idempotency_key}")


def catalog_run_id_for_key(principal: str, subject: str, idempotency_key: str) -> UUID:
    """Return the id of the run that ingests or builds an app for this principal under this key.

    Args:
        principal: who requests it.
        subject: what is ingested, built, or built again.
        idempotency_key: the key.
    """
    lengths = f"{len(principal)}.{len(subject)}"
    return uuid5(_NAMESPACE, f"catalog-run:{lengths}:{principal}:{subject}:{idempotency_key}")


def bulk_id_for_key(principal: str, idempotency_key: str) -> UUID:
    """Return the id of the bulk operation that this principal orders under this key."""
    # As above, for both parts may hold any printable character.
    return uuid5(_NAMESPACE, f"bulk-operation:{len(principal)}:{principal}:{idempotency_key}")


def only_repeat_id(run_id: UUID) -> UUID:
    """Return the id of the run that repeats this one where only one may."""
    return uuid5(_NAMESPACE, f"only-repeat:{run_id}")


def schedule_id(slug: str) -> UUID:
    """Return the id of the schedule with this slug, ignoring (ASCII) case."""
    folded = _folded(slug)
    return uuid5(_NAMESPACE, f"schedule:{folded}")


def tick_run_id(schedule: UUID, due_at: str, earlier: int = 0) -> UUID:
    """Return the id of the run of a schedule's tick.

    Args:
        schedule: the schedule's id.
        due_at: when the tick was due, in ISO 8601.
        earlier: how many runs it has had, each of which was canceled.
    """
    return uuid5(schedule, f"{due_at} {earlier}" if earlier else due_at)


def failure_group_id(fingerprint: str) -> UUID:
    """Return the id of the group of failures with this fingerprint."""
    return uuid5(_NAMESPACE, f"failure-group:{fingerprint}")


def saved_view_id(name: str) -> UUID:
    """Return the id of the saved view with this name."""
    return uuid5(_NAMESPACE, f"saved-view:{name}")


FAILURE_WATCH_ID = uuid5(_NAMESPACE, "failure-watch")
"""The id of the one search of the log for failures."""


def archive_id(log_id: UUID, number: int) -> UUID:
    """Return the id of a log's archive with this number."""
    return uuid5(_NAMESPACE, f"log-archive:{log_id}:{number}")


def event_id(aggregate_id: UUID, version: int) -> UUID:
    """Return the id under which an event is named as a cause, and on the stream as `eventId`."""
    # What `uuid5` returns, in two thirds of its time: each event names its cause.
    name = aggregate_id.bytes + b"%d" % version
    return UUID(bytes=sha1(name, usedforsecurity=False).digest()[:16], version=5)


def uuid7(unix_us: int, random_bytes: bytes) -> UUID:
    """Return a version 7 UUID (RFC 9562, section 5.7): its order is the order of time.

    Within a millisecond, too (section 6.2, method 3): runs that one client launches one after the
    other often share one, and their ids then say who comes first in the queue.

    Args:
        unix_us: microseconds since 1970.
        random_bytes: eight bytes of randomness.
    """
    unix_ms, beyond_us = divmod(unix_us, 1000)
    part_of_ms = beyond_us * _PARTS_OF_MS // 1000
    random_bits = int.from_bytes(random_bytes[:8], "big") & _RANDOM_BITS
    number = unix_ms << 80
    number |= _VERSION_7 << 76
    number |= part_of_ms << 64
    number |= _RFC_VARIANT << 62
    number |= random_bits
    return UUID(int=number)


_PARTS_OF_MS = 4_096
_RANDOM_BITS = 0x3FFF_FFFF_FFFF_FFFF
_VERSION_7 = 0x7
_RFC_VARIANT = 0b10


def _folded(slug: str) -> str:
    # Some other letters, such as the Kelvin sign, have an ASCII letter as their lower case; no slug
    # has any.
    if not slug.isascii():
        return slug
    return slug.lower()
