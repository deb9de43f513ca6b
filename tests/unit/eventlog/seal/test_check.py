"""Random logs, seals and edits: the check finds every difference and names the first one."""

from collections.abc import Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from eventlog.seal.check import SealCheck
from eventlog.seal.keys import SealKeys
from eventlog.seal.report import Report
from eventlog.seal.seal import (
    NO_PREVIOUS,
    Head,
    KeptHead,
    StoredSeal,
    check_seal,
    entries_hash,
    sign,
    to_runs,
)
from eventlog.seal.tree import Frontier, Leaf, leaf_hash

PRIVATE = Ed25519PrivateKey.generate()
KEYS = SealKeys((PRIVATE.public_key(),), PRIVATE)
LOG_ID = "5c0f1c9e-0000-4000-8000-000000000000"


def _event(position: int, content: str = "") -> Leaf:
    return position, leaf_hash(f"{position} {content}".encode())


@st.composite
def logs(draw: st.DrawFn) -> list[list[Leaf]]:
    """Return the events under each seal: positions rise, with gaps."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    log, position = [], 0
    for size in sizes:
        own = []
        for _ in range(size):
            position += draw(st.sampled_from((1, 1, 1, 2, 4)))
            own.append(_event(position))
        log.append(own)
    return log


def _seals(log: Sequence[Sequence[Leaf]]) -> list[StoredSeal]:
    tree, before, seals = Frontier(), NO_PREVIOUS, []
    for number, own in enumerate(log, start=1):
        for _, leaf in own:
            tree.push(leaf)
        runs, leaves = (
            to_runs([position for position, _ in own]),
            b"".join(leaf for _, leaf in own),
        )
        head = Head(
            log_id=LOG_ID,
            number=number,
            size=tree.size,
            root=tree.root().hex(),
            position=own[-1][0],
            entries=entries_hash(runs, leaves),
            previous=before,
            sealed_at="2026-11-24T14:31:04.123Z",
            key=KEYS.id,
        )
        signed = sign(KEYS, head)
        before = signed.hash
        peaks = b"".join(tree.peaks)
        seals.append(
            StoredSeal(
                number, head.size, head.position, head.text(), signed.signature, runs, leaves, peaks
            )
        )
    return seals


def _check(
    events: Sequence[Leaf],
    seals: Sequence[StoredSeal],
    kept: Sequence[KeptHead] = (),
    chunk: int = 4,
) -> Report:
    check, waiting = SealCheck(LOG_ID, kept), list(events)

    def take(bound: int | None) -> None:
        own = [event for event in waiting if bound is None or event[0] <= bound]
        del waiting[: len(own)]
        for start in range(0, len(own), chunk):
            check.take(own[start : start + chunk])

    for seal in seals:
        bound = check.open(check_seal(seal, KEYS, LOG_ID))
        if bound is not None:
            take(bound)
            check.close()
    take(None)
    return check.finish()


def _edited(data: st.DataObject, events: list[Leaf]) -> list[Leaf]:
    """Return the events after an edit of one of the kinds there are."""
    edited = dict(events)
    if not edited:
        return events
    one, other = (data.draw(st.sampled_from(events))[0], data.draw(st.sampled_from(events))[0])
    kind = data.draw(st.sampled_from(("alter", "remove", "insert", "swap", "move")))
    free = data.draw(
        st.sampled_from([p for p in range(-9, max(1, events[-1][0])) if p not in edited])
    )
    if kind == "alter":
        edited[one] = _event(one, "altered")[1]
    elif kind == "remove":
        del edited[one]
    elif kind == "insert":
        edited[free] = _event(free, "inserted")[1]
    elif kind == "move":
        del edited[one]
        edited[free] = _event(free, "moved")[1]
    elif one != other:
        edited[one], edited[other] = (_event(one, "swapped")[1], _event(other, "swapped")[1])
    return sorted(edited.items())


def _damaged(data: st.DataObject, seals: list[StoredSeal]) -> list[StoredSeal]:
    """Return the seals, some gone or damaged; the last one stays, since it covers the rest."""
    damaged = []
    for seal in seals:
        last = seal.number == len(seals)
        kinds = ("", "", "leaves", "peaks", "both") + (
            () if last else ("head", "signature", "gone")
        )
        kind = data.draw(st.sampled_from(kinds))
        changed = seal
        if kind in {"leaves", "both"}:
            changed = replace(changed, leaves=bytes(len(seal.leaves)))
        if kind in {"peaks", "both"}:
            changed = replace(changed, peaks=bytes(len(seal.peaks)))
        if kind == "head":
            changed = replace(changed, head=seal.head.replace("14:31", "14:32"))
        if kind == "signature":
            changed = replace(changed, signature=b"")
        if kind != "gone":
            damaged.append(changed)
    return damaged


def _first_difference(one: Sequence[Leaf], other: Sequence[Leaf]) -> int | None:
    differing = set(one) ^ set(other)
    return min(position for position, _ in differing) if differing else None


@given(logs(), st.integers(1, 5), st.lists(st.just(_event(1_000)), max_size=1))
def test_a_log_that_nobody_touched_is_clean(
    log: list[list[Leaf]], chunk: int, tail: list[Leaf]
) -> None:
    events = [leaf for own in log for leaf in own]
    report = _check(events + tail, _seals(log), chunk=chunk)
    assert report.clean
    assert (report.events, report.unsealed, report.seals) == (
        len(events) + len(tail),
        len(tail),
        len(log),
    )


@given(logs(), st.data())
def test_with_all_seals_at_hand_the_first_difference_is_named_exactly(
    log: list[list[Leaf]], data: st.DataObject
) -> None:
    events = [leaf for own in log for leaf in own]
    edited = _edited(data, _edited(data, events))
    report = _check(edited, _seals(log))
    truth = _first_difference(events, edited)
    assert (report.first.position if report.first else None) == truth
    assert all(finding.position == finding.until for finding in report.findings)


@given(logs(), st.data())
def test_with_damaged_seals_a_difference_is_found_and_the_range_that_is_named_holds_the_first(
    log: list[list[Leaf]], data: st.DataObject
) -> None:
    events = [leaf for own in log for leaf in own]
    edited = data.draw(st.sampled_from((events, _edited(data, events))))
    seals = _seals(log)
    damaged = _damaged(data, seals)
    report = _check(edited, damaged)
    truth = _first_difference(events, edited)
    findings = [finding for finding in report.findings if finding.kind != "seal"]
    assert bool(findings) == (truth is not None)
    if truth is not None:
        assert findings[0].position <= truth <= findings[0].until
    if damaged != seals:
        assert any(finding.kind == "seal" for finding in report.findings)


@given(logs(), st.data())
def test_a_kept_head_is_contradicted_by_every_other_log_that_is_sealed_by_the_same_key(
    log: list[list[Leaf]], data: st.DataObject
) -> None:
    events = [leaf for own in log for leaf in own]
    seals = _seals(log)
    kept_seal = check_seal(data.draw(st.sampled_from(seals)), KEYS, LOG_ID)
    assert kept_seal.signed is not None
    kept = KeptHead(kept_seal.signed, data.draw(st.sampled_from((kept_seal.tree, None))), "a file")
    assert _check(events, seals, [kept]).clean
    covered = events[: kept.signed.head.size]
    edited = _edited(data, covered) + events[len(covered) :]
    truth = _first_difference(events, edited)
    if not edited or truth is None:
        return
    cut = data.draw(st.integers(1, len(edited)))
    report = _check(edited, _seals([part for part in (edited[:cut], edited[cut:]) if part]), [kept])
    assert report.first is not None
    assert report.first.position <= truth <= report.first.until
