"""The check of the seals: a pure state machine that is fed with seals and leaves in order.

First its findings, then the comparison with heads that were kept elsewhere (`KeptHeads`), then
`SealCheck`.

Between two valid seals, the events must be those that the second one lists. If its list is not
trusted, or seals in between are missing or invalid, the events are hashed into the tree, and the
signed root shows whether they are the sealed ones. If they are not, the peaks of the two trees
narrow down the first difference.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from eventlog.encoding import FIRST
from eventlog.seal.seal import NO_PREVIOUS, Head, KeptHead, SignedHead, VerifiedSeal, pairs, to_runs
from eventlog.seal.tree import Frontier, Leaf, first_difference, peak_ranges
from runtime.text import pluralize

MAX_FINDINGS = 100
"""Findings that are reported one by one. Further ones are only counted: a million events may have
been altered."""

Kind = Literal["altered", "removed", "inserted", "contradicted", "seal"]
"""What happened to an event; `contradicted` if it is one in a range, `seal` if it happened to the
seals themselves."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what happened.
        position: first position that it may concern.
        until: last such position; the same as `position` if the event is certain.
        text: the message for people.
    """

    kind: Kind
    position: int
    until: int
    text: str

    @property
    def range(self) -> tuple[int, int]:
        """The sort key: of two findings that begin at one position, the more exact one is first."""
        return self.position, self.until

    def present(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return {
            "kind": self.kind,
            "position": self.position,
            "until": self.until,
            "text": self.text,
        }

    def __str__(self) -> str:
        if self.until <= self.position:
            return f"position {self.position}: {self.text}"
        return f"positions {self.position}-{self.until}: {self.text}"


@dataclass
class Findings:
    """Collects findings.

    Attributes:
        reported: the first `MAX_FINDINGS`.
        not_reported: number of findings beyond these.
        first: the finding with the lowest position.
    """

    reported: list[Finding] = field(default_factory=list)
    not_reported: int = 0
    first: Finding | None = None

    def add(self, kind: Kind, position: int, text: str, until: int | None = None) -> None:
        """Add a finding; `until` is `position` by default."""
        if until is None or until < position:
            until = position
        finding = Finding(kind, position, until, text)
        if self.first is None or finding.range < self.first.range:
            self.first = finding
        if len(self.reported) < MAX_FINDINGS:
            self.reported.append(finding)
        else:
            self.not_reported += 1


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        log_id: the log's id.
        events: number of events in the log.
        seals: number of valid seals.
        last: the last valid seal's head.
        unsealed: number of events after it.
        kept: number of kept heads with which the log was compared.
        findings: in the order of positions.
        not_reported: number of findings beyond these.
        first: the finding with the lowest position.
    """

    log_id: str
    events: int
    seals: int
    last: SignedHead | None
    unsealed: int
    kept: int
    findings: list[Finding]
    not_reported: int
    first: Finding | None

    @property
    def clean(self) -> bool:
        """Return whether nothing is wrong."""
        return self.first is None

    def present(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        first_bad_position = None
        if self.first is not None:
            first_bad_position = self.first.position
        last_seal = None
        if self.last is not None:
            last_seal = self.last.present()
        return {
            "clean": self.clean,
            "firstBadPosition": first_bad_position,
            "logId": self.log_id,
            "events": self.events,
            "seals": self.seals,
            "lastSeal": last_seal,
            "unsealedEvents": self.unsealed,
            "keptHeads": self.kept,
            "findings": [finding.present() for finding in self.findings],
            "moreFindings": self.not_reported,
        }


@dataclass
class _KeptHeadState:
    """What the check knows of one kept head.

    Attributes:
        kept: the head.
        matches: whether the log's first events have its root; None until they have been read.
        difference: range of leaves that contains the first difference.
        seal: the log's seal with its number, once that has been read.
        proven: number of events under the log's seal before it, which it names.
    """

    kept: KeptHead
    matches: bool | None = None
    difference: tuple[int, int] = (0, 0)
    seal: SignedHead | None = None
    proven: int = 0

    @property
    def head(self) -> Head:
        return self.kept.signed.head

    @property
    def name(self) -> str:
        number = self.head.number
        return f"seal {number}, kept in {self.kept.source},"


class KeptHeads:
    """Compares kept heads with the log.

    Attributes:
        watched: sizes of the tree at which `compare_tree` must be called.
    """

    def __init__(self, kept: Sequence[KeptHead], log_id: str, findings: Findings) -> None:
        self._findings = findings
        self._log_id = log_id
        self._states = [
            _KeptHeadState(head) for head in sorted(kept, key=lambda head: head.signed.head.size)
        ]
        self._by_size: dict[int, list[_KeptHeadState]] = {}
        self._floors: dict[int, int] = {}
        self.watched: set[int] = set()
        for state in self._states:
            size = state.head.size
            self._by_size.setdefault(size, []).append(state)
            self.watched.add(size)
            self.watched.update(start for start, _ in peak_ranges(size))

    def record_seal(self, signed: SignedHead) -> None:
        """Record a valid seal."""
        head = signed.head
        for state in self._states:
            if state.head.number == head.number:
                state.seal = signed
            if state.head.previous == signed.hash:
                state.proven = head.size
                self.watched.add(head.size)

    def compare_tree(self, tree: Frontier, position: int) -> None:
        """Compare the log's tree at a watched size; its last leaf has this position."""
        size = tree.size
        self._floors[size] = position + 1
        states = self._by_size.get(size)
        if states is None:
            return
        root = tree.root().hex()
        for state in states:
            if root == state.head.root:
                state.matches = True
            else:
                state.matches = False
                state.difference = _difference(state, tree)

    def conclude(self, tree: Frontier, unsealed: int, first: int) -> None:
        """Report every head that contradicts the log.

        Args:
            tree: the tree of the whole log.
            unsealed: first position after the last valid seal.
            first: first position of the log.
        """
        self._floors[0] = first
        matching_size = 0
        for state in self._states:
            head = state.head
            if head.log_id != self._log_id:
                self._report_other_log(state, first)
                continue
            if state.matches:
                matching_size = head.size
                self._check_seal(state, unsealed)
                continue
            equal_events = max(matching_size, state.proven)
            if state.matches is False:
                self._report_contradiction(state, equal_events)
            elif head.size > tree.size:
                self._report_too_short(state, tree, equal_events)

    def _report_other_log(self, state: _KeptHeadState, first: int) -> None:
        head = state.head
        text = f"{state.name} is that of another log, {head.log_id}: the log was replaced"
        self._findings.add("contradicted", first, text, head.position)

    def _report_too_short(self, state: _KeptHeadState, tree: Frontier, equal_events: int) -> None:
        """Report a head of more events than the log has, whose first events are as sealed."""
        head = state.head
        difference, _ = _difference(state, tree)
        start = self._floor(equal_events, difference)
        text = f"{state.name} covers {pluralize(head.size, 'event')}; the log has {tree.size}"
        self._findings.add("removed", start, text, head.position)

    def _report_contradiction(self, state: _KeptHeadState, equal_events: int) -> None:
        """Report a head whose events differ, and whose first events are certainly as sealed."""
        difference, end = state.difference
        start = self._floor(equal_events, difference)
        after_head = state.head.position + 1
        last = self._floors.get(end, after_head) - 1
        text = (
            f"{state.name} contradicts the log: the first event that is not what was sealed"
            " is one of these"
        )
        self._findings.add("contradicted", start, text, last)

    def _floor(self, equal_events: int, difference: int) -> int:
        """Return the first position after the events that are certainly as sealed."""
        return self._floors.get(max(equal_events, difference), self._floors[0])

    def _check_seal(self, state: _KeptHeadState, unsealed: int) -> None:
        """Report a kept head that is not among the seals any more, although its events match."""
        head = state.head
        if state.seal is None:
            text = f"{state.name} is no longer among the log's seals"
            position = min(unsealed, head.position)
            self._findings.add("seal", position, text, head.position)
        elif state.seal.head != head:
            text = f"{state.name} was replaced by another one; its events are unchanged"
            position = min(state.seal.head.position, head.position)
            self._findings.add("seal", position, text)


def _difference(state: _KeptHeadState, tree: Frontier) -> tuple[int, int]:
    kept_tree = state.kept.tree
    if kept_tree is None:
        return 0, state.head.size
    return first_difference(kept_tree, tree)


END = 2**63
"""Above every position."""


class SealCheck:
    """Checks a log's seals. For each, call `open`, `take` with its events, and `close`.

    After the last seal call `open_tail`, `take` with the remaining events, and `finish`.

    Attributes:
        findings: what is wrong so far.
    """

    def __init__(self, log_id: str, kept: Sequence[KeptHead]) -> None:
        self.findings = Findings()
        self._log_id = log_id
        self._kept = KeptHeads(kept, log_id, self.findings)
        self._kept_count = len(kept)
        # The tree of all events up to the last one that was taken, or listed by a closed seal.
        self._tree = Frontier()
        self._is_tree_wrong = False
        self._last_valid: SignedHead | None = None
        self._valid_seals = 0
        # Of seals since the last valid one.
        self._untrusted_numbers: set[int] = set()
        self._pending_problems: list[str] = []
        # The open seal: its list, the index of the next listed event, the position at which the
        # list begins, and the positions of its events before that.
        self._seal: VerifiedSeal | None = None
        self._entries: list[Leaf] = []
        self._next_index = 0
        self._first_listed = END
        self._unlisted = array("q")
        self._events = 0
        self._unsealed = 0
        self._first_position = 1
        self._last_position = 1
        self._first_unsealed = 1

    def open(self, seal: VerifiedSeal) -> int | None:
        """Begin with the next seal.

        Returns:
            The last position that it covers; None if it is not trusted: then it is skipped.
        """
        last_number = 0
        last_hash = NO_PREVIOUS
        if self._last_valid is not None:
            last_number = self._last_valid.head.number
            last_hash = self._last_valid.hash
        if seal.signed is None or seal.number <= last_number:
            self._record_untrusted(seal)
            return None
        head = seal.signed.head
        expected = last_number + 1
        self._record_missing(expected, head.number)
        is_next = head.number == expected
        if is_next and head.previous != last_hash:
            self._pending_problems.append(
                f"seal {head.number} does not follow from the one before it"
            )
        self._kept.record_seal(seal.signed)
        self._seal = seal
        entries = seal.entries or []
        self._set_entries(entries)
        if entries and is_next:
            # Right after a valid seal, every event must be listed.
            self._first_listed = FIRST
        return head.position

    def open_tail(self) -> None:
        """Begin with the events after the last seal."""
        self._seal = None
        self._set_entries([])

    def take(self, leaves: Sequence[Leaf]) -> None:
        """Check the next events."""
        count = len(leaves)
        if not self._events:
            self._first_position, _ = leaves[0]
        self._events += count
        self._last_position, _ = leaves[-1]
        if self._seal is None:
            self._take_tail(leaves)
            return
        end = self._next_index + count
        if self._entries[self._next_index : end] == leaves:
            self._next_index = end
            return
        for leaf in leaves:
            self._compare(leaf)

    def close(self) -> None:
        """End a seal: all events that it covers have been taken."""
        seal = self._seal
        if seal is None or seal.signed is None:
            raise ValueError("no seal is open")
        self._skip_to(END)
        start = self._tree.size - len(self._unlisted)
        for position, leaf in self._entries:
            self._push(position, leaf)
        head = seal.signed.head
        unlisted = self._unlisted_range(head)
        root = self._tree.root().hex()
        if self._tree.size != head.size or root != head.root:
            unlisted = self._report_contradiction(seal, head.position, start, unlisted)
        first, until = unlisted
        self._report(self._pending_problems, first, until)
        if self._entries:
            first, _ = self._entries[0]
            until = head.position
        self._report(seal.problems, first, until)
        self._last_valid = seal.signed
        self._valid_seals += 1
        self._untrusted_numbers = set()
        self._pending_problems = []
        self._unlisted = array("q")

    def finish(self) -> Report:
        """End the check: the whole log has been taken."""
        first = self._after_last_valid()
        if self._unsealed:
            first = self._first_unsealed
        self._report(self._pending_problems, first, self._last_position)
        if self._events and self._last_valid is None and not self._pending_problems:
            text = "nothing of this log is sealed, so nothing can be proven"
            self.findings.add("seal", first, text, self._last_position)
        self._kept.conclude(self._tree, self._after_last_valid(), min(self._first_position, 1))
        in_order = sorted(self.findings.reported, key=lambda finding: finding.range)
        return Report(
            log_id=self._log_id,
            events=self._events,
            seals=self._valid_seals,
            last=self._last_valid,
            unsealed=self._unsealed,
            kept=self._kept_count,
            findings=in_order,
            not_reported=self.findings.not_reported,
            first=self.findings.first,
        )

    def _record_untrusted(self, seal: VerifiedSeal) -> None:
        """Record why a seal is not trusted; it is reported with the next valid one."""
        self._pending_problems += seal.problems or [f"there is more than one seal {seal.number}"]
        self._untrusted_numbers.add(seal.number)

    def _record_missing(self, first: int, end: int) -> None:
        missing = [number for number in range(first, end) if number not in self._untrusted_numbers]
        for start, last in pairs(to_runs(missing)):
            problem = f"seals {start} to {last} are missing"
            if start == last:
                problem = f"seal {start} is missing"
            self._pending_problems.append(problem)

    def _set_entries(self, entries: list[Leaf]) -> None:
        self._entries = entries
        self._next_index = 0
        self._first_listed = END
        if entries:
            self._first_listed, _ = entries[0]

    def _unlisted_range(self, head: Head) -> tuple[int, int]:
        """Return the first and last position that the seal covers but no list names."""
        first = self._after_last_valid()
        if self._unlisted:
            first = self._unlisted[0]
        until = head.position
        if self._entries:
            first_listed, _ = self._entries[0]
            until = first_listed - 1
        return first, until

    def _take_tail(self, leaves: Sequence[Leaf]) -> None:
        if not self._unsealed:
            self._first_unsealed, _ = leaves[0]
        self._unsealed += len(leaves)
        for position, leaf in leaves:
            self._push(position, leaf)

    def _compare(self, leaf: Leaf) -> None:
        """Compare an event with the seal's list; if it comes before the list, hash it."""
        position, leaf_hash = leaf
        if position < self._first_listed:
            self._unlisted.append(position)
            self._push(position, leaf_hash)
            return
        self._skip_to(position)
        entry = self._next_entry()
        if entry is None or entry[0] != position:
            text = f"the event was inserted after {self._name} had been made"
            self.findings.add("inserted", position, text)
            return
        if entry != leaf:
            text = f"the event was altered after {self._name} had sealed it"
            self.findings.add("altered", position, text)
        self._next_index += 1

    def _skip_to(self, position: int) -> None:
        """Report the listed events before the position that are missing."""
        text = f"the event was removed after {self._name} had sealed it"
        while (entry := self._next_entry()) is not None:
            listed_position, _ = entry
            if listed_position >= position:
                return
            self.findings.add("removed", listed_position, text)
            self._next_index += 1

    def _next_entry(self) -> Leaf | None:
        if self._next_index == len(self._entries):
            return None
        return self._entries[self._next_index]

    def _report_contradiction(
        self, seal: VerifiedSeal, position: int, start: int, unlisted_range: tuple[int, int]
    ) -> tuple[int, int]:
        """Report that the events up to the seal's position do not have its root.

        Args:
            seal: the seal.
            position: the seal's position.
            start: index of the first event that no list names.
            unlisted_range: positions of the events that no list names.

        Returns:
            This range, narrowed down by the peaks.
        """
        sealed_tree = seal.tree
        first, until = unlisted_range
        # An event may have been removed right after the last one that is certain.
        first = min(first, self._after_last_valid())
        if sealed_tree is not None and not self._is_tree_wrong:
            first, until = self._narrow_down(sealed_tree, start, first, until)
        if self._unlisted or not self._is_tree_wrong:
            text = f"somewhere here the log is not what {self._name} covers"
            self.findings.add("contradicted", first, text, until)
        self._is_tree_wrong = sealed_tree is None
        if sealed_tree is not None:
            self._tree = Frontier(sealed_tree.size, sealed_tree.peaks)
            if sealed_tree.size in self._kept.watched:
                self._kept.compare_tree(self._tree, position)
        return first, until

    def _narrow_down(
        self, sealed_tree: Frontier, start: int, first: int, until: int
    ) -> tuple[int, int]:
        """Return the range of positions that differ, narrowed down by the peaks of both trees."""
        unlisted = self._unlisted
        count = len(unlisted)
        difference, end = first_difference(sealed_tree, self._tree)
        # As indexes into the events that no list names.
        difference -= start
        end -= start
        if 0 < difference <= count:
            first = unlisted[difference - 1] + 1
        is_as_long = sealed_tree.size == self._tree.size
        if is_as_long and 0 < end < count:
            until = unlisted[end - 1]
        return first, until

    def _report(self, problems: Sequence[str], first: int, until: int) -> None:
        for problem in problems:
            self.findings.add("seal", first, problem, until)

    def _push(self, position: int, leaf: bytes) -> None:
        self._tree.push(leaf)
        if self._tree.size in self._kept.watched:
            self._kept.compare_tree(self._tree, position)

    @property
    def _name(self) -> str:
        if self._seal is None:
            return "the last seal"
        return f"seal {self._seal.number}"

    def _after_last_valid(self) -> int:
        """Return the first position after the last valid seal."""
        if self._last_valid is None:
            return 1
        return self._last_valid.head.position + 1
