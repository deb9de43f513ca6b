"""Compares the log with heads that were kept elsewhere, while its leaves pass by."""

from collections.abc import Sequence
from dataclasses import dataclass

from eventlog.seal.head_files import KeptHead
from eventlog.seal.merkle import Frontier, first_difference, peak_ranges
from eventlog.seal.seal import Head, SignedHead
from eventlog.seal.verification.findings import Findings


@dataclass
class _State:
    """What is known of one kept head.

    Attributes:
        matches: whether the log's first events have its root; None until they have passed by.
        differs: the range of leaves that holds the first difference, as far as is known.
        seal: the seal of its number, if that has been seen.
        proven: how many of the log's events it proves by naming, as the seal before it, one that is
            still there.
    """

    kept: KeptHead
    matches: bool | None = None
    differs: tuple[int, int] = (0, 0)
    seal: SignedHead | None = None
    proven: int = 0

    @property
    def head(self) -> Head:
        return self.kept.signed.head

    @property
    def name(self) -> str:
        number = self.head.number
        return f"seal {number}, kept in {self.kept.source},"


def _size_of(kept: KeptHead) -> int:
    return kept.signed.head.size


class KeptHeads:
    """The heads, and what the log says to each of them."""

    def __init__(
        self, kept: Sequence[KeptHead], log_id: str, findings: Findings
    ) -> None:
        self._findings = findings
        self._log_id = log_id
        by_size = sorted(kept, key=_size_of)
        self._states = [_State(head) for head in by_size]
        self._by_size: dict[int, list[_State]] = {}
        self._floors: dict[int, int] = {}
        self.watched: set[int] = set()
        for state in self._states:
            self._watch_for(state)

    def _watch_for(self, state: _State) -> None:
        size = state.head.size
        of_size = self._by_size.setdefault(size, [])
        of_size.append(state)
        self.watched.add(size)
        for start, _ in peak_ranges(size):
            self.watched.add(start)

    def saw_seal(self, signed: SignedHead) -> None:
        """Note a good seal."""
        head = signed.head
        for state in self._states:
            if state.head.number == head.number:
                state.seal = signed
            if state.head.previous == signed.hash:
                state.proven = head.size
                self.watched.add(head.size)

    def saw_tree(self, tree: Frontier, position: int) -> None:
        """Compare a tree of a watched size, whose last leaf stands at this position."""
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
                state.differs = _differs(state, tree)

    def conclude(self, tree: Frontier, unsealed: int, first: int) -> None:
        """Report every head that contradicts the log.

        Its tree is as it was at the end; `unsealed` is the first position after its seals, `first`
        that of all.
        """
        self._floors[0] = first
        known_good = 0
        for state in self._states:
            head = state.head
            if head.log_id != self._log_id:
                self._tell_other_log(state, first)
                continue
            if state.matches:
                known_good = head.size
                self._check_seal(state, unsealed)
                continue
            same = max(known_good, state.proven)
            if state.matches is False:
                self._tell_contradiction(state, same)
            elif head.size > tree.size:
                self._tell_too_short(state, tree, same)

    def _tell_other_log(self, state: _State, first: int) -> None:
        head = state.head
        what = f"{state.name} is that of another log, {head.log_id}"
        text = f"{what}: this one was put in its place"
        self._findings.add("contradicted", first, text, head.position)

    def _tell_too_short(self, state: _State, tree: Frontier, same: int) -> None:
        """Report a head of more events than there are; the first `same` are surely as sealed."""
        head = state.head
        differs, _ = _differs(state, tree)
        start = self._floor(same, differs)
        covered = f"{state.name} covers {head.size} events"
        text = f"{covered}; the log has {tree.size}"
        self._findings.add("removed", start, text, head.position)

    def _tell_contradiction(self, state: _State, same: int) -> None:
        """Report a head whose events are others; the first `same` are surely as sealed."""
        differs, end = state.differs
        start = self._floor(same, differs)
        after_head = state.head.position + 1
        after = self._floors.get(end, after_head)
        last = after - 1
        text = (
            f"{state.name} contradicts the log: the first event that is not what was sealed"
            " is one of these"
        )
        self._findings.add("contradicted", start, text, last)

    def _floor(self, same: int, differs: int) -> int:
        """Return the first position in question after so many events of which all is known."""
        certain = max(same, differs)
        first = self._floors[0]
        return self._floors.get(certain, first)

    def _check_seal(self, state: _State, unsealed: int) -> None:
        """Report a kept head that is no longer among the seals, though its events are as sealed."""
        head = state.head
        if state.seal is None:
            text = f"{state.name} is no longer among the log's seals"
            position = min(unsealed, head.position)
            self._findings.add("seal", position, text, head.position)
        elif state.seal.head != head:
            replaced = f"{state.name} was replaced by another one"
            text = f"{replaced}; the events under it are what they were"
            present = state.seal.head
            position = min(present.position, head.position)
            self._findings.add("seal", position, text)


def _differs(state: _State, tree: Frontier) -> tuple[int, int]:
    kept_tree = state.kept.tree
    if kept_tree is None:
        return 0, state.head.size
    return first_difference(kept_tree, tree)
