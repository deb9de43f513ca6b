"""The check of the seals: a pure state machine that gets a log's seals and events in order.

Between two valid seals, the events must be those that the second one lists. If its list is not
trusted, or seals in between are missing or invalid, the events are hashed into the tree, and the
signed root shows whether they are the sealed ones. If they are not, the peaks of the two trees
narrow down the first difference.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence

from eventlog.encoding import FIRST
from eventlog.seal.kept_heads import KeptHeads
from eventlog.seal.report import Report
from eventlog.seal.seal import NO_PREVIOUS, KeptHead, SignedHead, VerifiedSeal, pairs, to_runs
from eventlog.seal.tree import Frontier, Leaf, first_difference

END = 2**63
"""Above every position."""


class SealCheck:
    """Checks a log's events against its seals.

    For each seal call `open`, `take` with the events that it covers, and `close`. After the last
    seal call `take` with the remaining events, and `finish`.

    Attributes:
        report: the result so far.
    """

    def __init__(self, log_id: str, kept: Sequence[KeptHead]) -> None:
        self.report = Report(log_id, len(kept))
        self._kept = KeptHeads(kept, self.report)
        # The tree of all events so far; those under a closed seal are the ones that it lists.
        self._tree = Frontier()
        self._is_tree_wrong = False
        # Of seals since the last valid one.
        self._untrusted_numbers: set[int] = set()
        self._pending_problems: list[str] = []
        self._seal: _OpenSeal | None = None
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
        if self.report.last is not None:
            last_number = self.report.last.head.number
            last_hash = self.report.last.hash
        if seal.signed is None or seal.number <= last_number:
            # Reported with the next valid seal.
            problems = seal.problems or [f"there is more than one seal {seal.number}"]
            self._pending_problems += problems
            self._untrusted_numbers.add(seal.number)
            return None
        is_next = seal.number == last_number + 1
        if not is_next:
            self._record_missing(range(last_number + 1, seal.number))
        elif seal.signed.head.previous != last_hash:
            problem = f"seal {seal.number} does not follow from the one before it"
            self._pending_problems.append(problem)
        self._kept.record_seal(seal.signed)
        self._seal = _OpenSeal(seal, seal.signed, self._tree.size, self.report, is_next=is_next)
        return seal.signed.head.position

    def _record_missing(self, numbers: range) -> None:
        missing = [number for number in numbers if number not in self._untrusted_numbers]
        for first, last in pairs(to_runs(missing)):
            problem = f"seals {first} to {last} are missing"
            if first == last:
                problem = f"seal {first} is missing"
            self._pending_problems.append(problem)

    def take(self, leaves: Sequence[Leaf]) -> None:
        """Check the next events; there must be some."""
        report = self.report
        first, _ = leaves[0]
        if not report.events:
            self._first_position = min(first, 1)
        self._last_position, _ = leaves[-1]
        report.events += len(leaves)
        if self._seal is not None:
            self._push(self._seal.compare(leaves))
            return
        if not report.unsealed:
            self._first_unsealed = first
        report.unsealed += len(leaves)
        self._push(leaves)

    def _push(self, leaves: Sequence[Leaf]) -> None:
        for position, leaf in leaves:
            self._tree.push(leaf)
            if self._tree.size in self._kept.watched:
                self._kept.compare_tree(self._tree, position)

    def close(self) -> None:
        """End a seal: all events that it covers have been taken."""
        seal = self._seal
        if seal is None:
            raise ValueError("no seal is open")
        seal.report_removed(END)
        self._push(seal.entries)
        head = seal.signed.head
        unlisted = seal.unlisted_range(self._after_sealed())
        if self._tree.size != head.size or self._tree.root().hex() != head.root:
            unlisted = self._report_contradiction(seal, unlisted)
        self._add_problems(self._pending_problems, unlisted)
        listed = (seal.entries[0][0], head.position) if seal.entries else unlisted
        self._add_problems(seal.problems, listed)
        self.report.last = seal.signed
        self.report.seals += 1
        self._untrusted_numbers = set()
        self._pending_problems = []
        self._seal = None

    def _report_contradiction(
        self, seal: "_OpenSeal", positions: tuple[int, int]
    ) -> tuple[int, int]:
        """Report that the events up to the seal do not have its root; continue with its tree.

        Args:
            seal: the seal.
            positions: first and last position that it covers and no list names.

        Returns:
            These positions, narrowed down by the peaks.
        """
        first, until = positions
        # An event may have been removed right after the last one that is certain.
        first = min(first, self._after_sealed())
        if seal.tree is not None and not self._is_tree_wrong:
            first, until = seal.narrow_down(self._tree, first, until)
        if seal.unlisted or not self._is_tree_wrong:
            text = f"somewhere here the log is not what {seal.name} covers"
            self.report.add("contradicted", text, first, until)
        self._is_tree_wrong = seal.tree is None
        if seal.tree is not None:
            self._tree = Frontier(seal.tree.size, seal.tree.peaks)
            if self._tree.size in self._kept.watched:
                self._kept.compare_tree(self._tree, seal.signed.head.position)
        return first, until

    def finish(self) -> Report:
        """End the check: the whole log has been taken."""
        report = self.report
        after_sealed = self._after_sealed()
        unsealed = (self._first_unsealed if report.unsealed else after_sealed, self._last_position)
        problems = self._pending_problems
        if report.events and report.last is None and not problems:
            problems = ["nothing of this log is sealed, so nothing can be proven"]
        self._add_problems(problems, unsealed)
        self._kept.conclude(self._tree, self._first_position, after_sealed)
        report.findings.sort(key=lambda finding: finding.range)
        return report

    def _add_problems(self, problems: Sequence[str], positions: tuple[int, int]) -> None:
        for problem in problems:
            self.report.add("seal", problem, *positions)

    def _after_sealed(self) -> int:
        """Return the first position after the last valid seal."""
        return 1 if self.report.last is None else self.report.last.head.position + 1


class _OpenSeal:
    """A valid seal, with which the events that it covers are compared.

    Attributes:
        entries: the events that it lists; empty if its list is not trusted.
        unlisted: positions of the events that come before them, under missing or invalid seals.
    """

    def __init__(
        self, seal: VerifiedSeal, signed: SignedHead, size: int, report: Report, *, is_next: bool
    ) -> None:
        """Begin with a seal.

        Args:
            seal: its trusted parts.
            signed: its head.
            size: number of events before those to compare.
            report: to report the differences to.
            is_next: whether the seal before it is valid: then every event must be listed.
        """
        self.signed = signed
        self.tree = seal.tree
        self.problems = seal.problems
        self.name = f"seal {seal.number}"
        self.entries = seal.entries or []
        self.unlisted = array("q")
        self._size_before = size
        self._report = report
        self._next_index = 0
        self._first_listed = END
        if self.entries:
            self._first_listed = FIRST if is_next else self.entries[0][0]

    def compare(self, leaves: Sequence[Leaf]) -> Sequence[Leaf]:
        """Compare the next events with the list; return those that come before it."""
        end = self._next_index + len(leaves)
        if self.entries[self._next_index : end] == leaves:
            self._next_index = end
            return ()
        unlisted_end = bisect_left(leaves, self._first_listed, key=lambda leaf: leaf[0])
        unlisted = leaves[:unlisted_end]
        self.unlisted.extend(position for position, _ in unlisted)
        for leaf in leaves[unlisted_end:]:
            self._compare_with_list(leaf)
        return unlisted

    def _compare_with_list(self, leaf: Leaf) -> None:
        position, _ = leaf
        self.report_removed(position)
        entry = self._next_entry()
        if entry is None or entry[0] != position:
            text = f"the event was inserted after {self.name} had been made"
            self._report.add("inserted", text, position)
            return
        if entry != leaf:
            text = f"the event was altered after {self.name} had sealed it"
            self._report.add("altered", text, position)
        self._next_index += 1

    def report_removed(self, end: int) -> None:
        """Report the remaining listed events before a position: the log lacks them."""
        text = f"the event was removed after {self.name} had sealed it"
        while (entry := self._next_entry()) is not None and entry[0] < end:
            self._report.add("removed", text, entry[0])
            self._next_index += 1

    def _next_entry(self) -> Leaf | None:
        if self._next_index == len(self.entries):
            return None
        return self.entries[self._next_index]

    def unlisted_range(self, first: int) -> tuple[int, int]:
        """Return the first and last position that the seal covers and no list names.

        Args:
            first: the first position after the seals before it.
        """
        if self.unlisted:
            first = self.unlisted[0]
        if self.entries:
            return first, self.entries[0][0] - 1
        return first, self.signed.head.position

    def narrow_down(self, tree: Frontier, first: int, until: int) -> tuple[int, int]:
        """Return the positions at which the log's tree may begin to differ from the sealed one."""
        if self.tree is None:
            return first, until
        start, end = first_difference(self.tree, tree)
        # As indexes into the events that no list names.
        start -= self._size_before
        end -= self._size_before
        if 0 < start <= len(self.unlisted):
            first = self.unlisted[start - 1] + 1
        if self.tree.size == tree.size and 0 < end < len(self.unlisted):
            until = self.unlisted[end - 1]
        return first, until
