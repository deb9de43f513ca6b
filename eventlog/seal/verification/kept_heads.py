"""Compares the log with heads that were kept elsewhere, while its leaves pass by."""

from collections.abc import Sequence
from dataclasses import dataclass

from eventlog.seal.head_files import KeptHead
from eventlog.seal.merkle import Frontier, first_difference, peak_ranges
from eventlog.seal.seal import SignedHead
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


class KeptHeads:
    """The heads, and what the log says to each of them."""

    def __init__(self, kept: Sequence[KeptHead], log_id: str, findings: Findings) -> None:
        self._findings = findings
        self._log_id = log_id
        self._states = [_State(one) for one in sorted(kept, key=lambda one: one.signed.head.size)]
        self._by_size: dict[int, list[_State]] = {}
        self._floors: dict[int, int] = {}
        self.watched: set[int] = set()
        for state in self._states:
            size = state.kept.signed.head.size
            self._by_size.setdefault(size, []).append(state)
            self.watched |= {size, *(start for start, _ in peak_ranges(size))}

    def saw_seal(self, signed: SignedHead) -> None:
        """Note a good seal."""
        for state in self._states:
            if state.kept.signed.head.number == signed.head.number:
                state.seal = signed
            if state.kept.signed.head.previous == signed.hash:
                state.proven = signed.head.size
                self.watched.add(signed.head.size)

    def saw_tree(self, tree: Frontier, position: int) -> None:
        """Compare a tree of a watched size, whose last leaf stands at this position."""
        self._floors[tree.size] = position + 1
        for state in self._by_size.get(tree.size, ()):
            state.matches = tree.root().hex() == state.kept.signed.head.root
            if not state.matches:
                state.differs = self._differs(state, tree)

    def conclude(self, tree: Frontier, unsealed: int, first: int) -> None:
        """Report every head that contradicts the log.

        Its tree is as it was at the end; `unsealed` is the first position after its seals, `first`
        that of all.
        """
        self._floors[0] = first
        known_good = 0
        for state in self._states:
            head = state.kept.signed.head
            same = max(known_good, state.proven)
            where = f"seal {head.number}, kept in {state.kept.source},"
            if head.log_id != self._log_id:
                text = (
                    f"{where} is that of another log, {head.log_id}: this one was put in its place"
                )
                self._findings.add("contradicted", first, text, head.position)
            elif state.matches:
                known_good = head.size
                self._check_seal(state, where, unsealed)
            elif state.matches is None and head.size > tree.size:
                start = max(same, self._differs(state, tree)[0])
                text = f"{where} covers {head.size} events; the log has {tree.size}"
                self._findings.add("removed", self._floors.get(start, first), text, head.position)
            elif state.matches is False:
                start, end = max(same, state.differs[0]), state.differs[1]
                until = self._floors.get(end, head.position + 1) - 1
                text = f"{where} contradicts the log: the first event that is not what was sealed is one of these"
                self._findings.add("contradicted", self._floors.get(start, first), text, until)

    def _check_seal(self, state: _State, where: str, unsealed: int) -> None:
        """Report a kept head that is no longer among the seals, although the events are what they were."""
        head = state.kept.signed.head
        if state.seal is None:
            text = f"{where} is no longer among the log's seals"
            self._findings.add("seal", min(unsealed, head.position), text, head.position)
        elif state.seal.head != head:
            text = f"{where} was replaced by another one; the events under it are what they were"
            self._findings.add("seal", min(state.seal.head.position, head.position), text)

    def _differs(self, state: _State, tree: Frontier) -> tuple[int, int]:
        if state.kept.tree is None:
            return (0, state.kept.signed.head.size)
        return first_difference(state.kept.tree, tree)
