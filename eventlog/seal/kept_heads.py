"""Compares the log with heads that were kept outside the database. Pure.

The log's first events are as sealed if their tree has the head's root. If it has not, the first
difference is after the events of every smaller head that matches, after those under the seal that
the head names as the one before, if the log still has that seal, and inside the first peak that
differs.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from eventlog.seal.report import Report
from eventlog.seal.seal import Head, KeptHead, SignedHead
from eventlog.seal.tree import Frontier, Range, first_difference, peak_ranges
from runtime.text import pluralize


@dataclass
class _KeptHeadState:
    """What the check knows of one kept head.

    Attributes:
        kept: the head.
        matches: whether the log's first events have its root; None until they have been read.
        difference: the leaves among which the first difference is, if they have not.
        seal: the log's seal with its number, once that has been read.
        events_before: number of events under the seal that it names as the one before, once the
            log's seal with that hash has been read.
    """

    kept: KeptHead
    matches: bool | None = None
    difference: Range = (0, 0)
    seal: SignedHead | None = None
    events_before: int = 0

    @property
    def head(self) -> Head:
        return self.kept.signed.head

    @property
    def name(self) -> str:
        return f"seal {self.head.number}, kept in {self.kept.source},"

    def first_difference(self, tree: Frontier) -> Range:
        """Return the leaves among which the head's events begin to differ from the log's tree."""
        if self.kept.tree is None:
            return 0, self.head.size
        return first_difference(self.kept.tree, tree)


class KeptHeads:
    """Compares kept heads with the log, while a check reads its seals and events.

    Attributes:
        watched: sizes of the tree at which `compare_tree` must be called.
    """

    def __init__(self, kept: Sequence[KeptHead], report: Report) -> None:
        self._report = report
        self._states = [
            _KeptHeadState(head) for head in sorted(kept, key=lambda head: head.signed.head.size)
        ]
        self._by_size: dict[int, list[_KeptHeadState]] = defaultdict(list)
        self._by_number: dict[int, list[_KeptHeadState]] = defaultdict(list)
        self._by_previous: dict[str, list[_KeptHeadState]] = defaultdict(list)
        self.watched: set[int] = set()
        for state in self._states:
            head = state.head
            self._by_size[head.size].append(state)
            self._by_number[head.number].append(state)
            self._by_previous[head.previous].append(state)
            self.watched.add(head.size)
            self.watched.update(start for start, _ in peak_ranges(head.size))
        # By each watched size of the tree: the first position after its events.
        self._position_after: dict[int, int] = {}

    def record_seal(self, signed: SignedHead) -> None:
        """Record a valid seal of the log; its events have not been read yet."""
        head = signed.head
        for state in self._by_number.get(head.number, ()):
            state.seal = signed
        for state in self._by_previous.get(signed.hash, ()):
            state.events_before = head.size
            self.watched.add(head.size)

    def compare_tree(self, tree: Frontier, position: int) -> None:
        """Compare the log's tree at a watched size; its last leaf has this position."""
        self._position_after[tree.size] = position + 1
        for state in self._by_size.get(tree.size, ()):
            state.matches = tree.root().hex() == state.head.root
            if not state.matches:
                state.difference = state.first_difference(tree)

    def conclude(self, tree: Frontier, first: int, unsealed: int) -> None:
        """Report every head that contradicts the log.

        Args:
            tree: the tree of the whole log.
            first: first position of the log.
            unsealed: first position after the last valid seal.
        """
        self._position_after[0] = first
        matching_events = 0
        for state in self._states:
            head = state.head
            equal_events = max(matching_events, state.events_before)
            if head.log_id != self._report.log_id:
                text = f"{state.name} is that of another log, {head.log_id}: the log was replaced"
                self._report.add("contradicted", text, first, head.position)
            elif state.matches:
                matching_events = head.size
                self._check_seal(state, unsealed)
            elif state.matches is False:
                self._report_contradiction(state, equal_events)
            elif head.size > tree.size:
                self._report_too_short(state, equal_events, tree)

    def _check_seal(self, state: _KeptHeadState, unsealed: int) -> None:
        """Report a head whose events match, but that is not among the log's seals any more."""
        head = state.head
        if state.seal is None:
            text = f"{state.name} is no longer among the log's seals"
            self._report.add("seal", text, min(unsealed, head.position), head.position)
        elif state.seal.head != head:
            text = f"{state.name} was replaced by another one; its events are unchanged"
            self._report.add("seal", text, min(state.seal.head.position, head.position))

    def _report_contradiction(self, state: _KeptHeadState, equal_events: int) -> None:
        """Report a head whose events differ from the log's after the first equal ones."""
        start, end = state.difference
        text = (
            f"{state.name} contradicts the log: the first event that is not what was sealed"
            " is one of these"
        )
        last = self._position_after.get(end, state.head.position + 1) - 1
        self._report.add("contradicted", text, self._first_position(equal_events, start), last)

    def _report_too_short(self, state: _KeptHeadState, equal_events: int, tree: Frontier) -> None:
        """Report a head of more events than the log has."""
        head = state.head
        start, _ = state.first_difference(tree)
        text = f"{state.name} covers {pluralize(head.size, 'event')}; the log has {tree.size}"
        self._report.add("removed", text, self._first_position(equal_events, start), head.position)

    def _first_position(self, equal_events: int, difference: int) -> int:
        """Return the first position after the events that are certainly as sealed."""
        return self._position_after.get(max(equal_events, difference), self._position_after[0])
