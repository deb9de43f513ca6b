"""The check of the seals, as a machine that is fed with seals and leaves in their order. It does no input or output.

Between two good seals, the events must be those that the second one lists. Where its list cannot be
believed, or seals in between are gone or broken, the events themselves are hashed into the tree,
and the signed root tells whether they are what was sealed; if not, the peaks of the two trees tell
where, as far as they can.
"""

from array import array
from collections.abc import Sequence

from eventlog.encoding.columns import FIRST
from eventlog.seal.head_files import KeptHead
from eventlog.seal.leaves import Leaf
from eventlog.seal.merkle import Frontier, first_difference
from eventlog.seal.rows import JudgedSeal
from eventlog.seal.seal import NOTHING_BEFORE, SignedHead, pairs, to_runs
from eventlog.seal.verification.findings import Findings, Report
from eventlog.seal.verification.kept_heads import KeptHeads

END = 2**63
"""Above every position."""


class SealCheck:
    """Call `open` with a seal, `take` with the events up to its position, `close`; at last `open_tail`, `finish`."""

    def __init__(self, log_id: str, kept: Sequence[KeptHead]) -> None:
        self.findings = Findings()
        self._log_id = log_id
        self._kept = KeptHeads(kept, log_id, self.findings)
        self._kept_count = len(kept)
        self._tree = Frontier()
        self._lost = False
        self._good: SignedHead | None = None
        self._good_seals = 0
        self._numbers: set[int] = set()
        self._doubts: list[str] = []
        self._seal: JudgedSeal | None = None
        self._entries: list[Leaf] = []
        self._at = 0
        self._listed_from = END
        self._unlisted = array("q")
        self._events = self._unsealed = 0
        self._first = self._last = self._first_unsealed = 1

    def open(self, seal: JudgedSeal) -> int | None:
        """Begin with the next seal; return the last position it covers, or None if there is nothing to believe."""
        if seal.signed is None or (
            self._good is not None and seal.number <= self._good.head.number
        ):
            self._doubts += seal.problems or [f"there is more than one seal {seal.number}"]
            self._numbers.add(seal.number)
            return None
        head = seal.signed.head
        before = self._good.head.number if self._good else 0
        missing = [
            number for number in range(before + 1, head.number) if number not in self._numbers
        ]
        for start, end in pairs(to_runs(missing)):
            self._doubts.append(
                f"seal {start} is missing"
                if start == end
                else f"seals {start} to {end} are missing"
            )
        if head.number == before + 1 and head.previous != (
            self._good.hash if self._good else NOTHING_BEFORE
        ):
            self._doubts.append(f"seal {head.number} does not follow from the one before it")
        self._kept.saw_seal(seal.signed)
        self._seal, self._entries, self._at = seal, seal.entries or [], 0
        if not self._entries:
            self._listed_from = END
        else:
            # Right after a good seal, every event has to be listed.
            self._listed_from = FIRST if head.number == before + 1 else self._entries[0][0]
        return head.position

    def open_tail(self) -> None:
        """Begin with the events after the last seal."""
        self._seal, self._entries, self._listed_from = None, [], END

    def take(self, leaves: Sequence[Leaf]) -> None:
        """Look at the next events."""
        self._first = self._first if self._events else leaves[0][0]
        self._events += len(leaves)
        self._last = leaves[-1][0]
        if self._seal is None:
            self._take_unsealed(leaves)
        elif self._entries[self._at : self._at + len(leaves)] == leaves:
            self._at += len(leaves)
        else:
            for leaf in leaves:
                self._compare(leaf)

    def close(self) -> None:
        """End a seal: all that it covers has been taken."""
        if self._seal is None or self._seal.signed is None:
            raise ValueError("no seal is open")
        self._skip_to(END)
        start = self._tree.size - len(self._unlisted)
        for position, leaf in self._entries:
            self._push(position, leaf)
        head = self._seal.signed.head
        first = self._unlisted[0] if self._unlisted else self._after_good()
        place = (first, self._entries[0][0] - 1 if self._entries else head.position)
        if (self._tree.size, self._tree.root().hex()) != (head.size, head.root):
            place = self._contradicted(self._seal, head.position, start, place)
        self._tell(self._doubts, *place)
        self._tell(
            self._seal.problems, *((self._entries[0][0], head.position) if self._entries else place)
        )
        self._good, self._good_seals = self._seal.signed, self._good_seals + 1
        self._numbers, self._doubts, self._unlisted = set(), [], array("q")

    def finish(self) -> Report:
        """End the check: the whole log has been taken."""
        first = self._first_unsealed if self._unsealed else self._after_good()
        self._tell(self._doubts, first, self._last)
        if self._events and self._good is None and not self._doubts:
            self.findings.add(
                "seal", first, "nothing of this log is sealed, so nothing can be shown", self._last
            )
        self._kept.conclude(self._tree, self._after_good(), min(self._first, 1))
        told = sorted(self.findings.told, key=lambda finding: (finding.position, finding.until))
        return Report(
            log_id=self._log_id,
            events=self._events,
            seals=self._good_seals,
            last=self._good,
            unsealed=self._unsealed,
            kept=self._kept_count,
            findings=told,
            untold=self.findings.untold,
            first=self.findings.first,
        )

    def _take_unsealed(self, leaves: Sequence[Leaf]) -> None:
        if not self._unsealed:
            self._first_unsealed = leaves[0][0]
        self._unsealed += len(leaves)
        for position, leaf in leaves:
            self._push(position, leaf)

    def _compare(self, leaf: Leaf) -> None:
        """Compare an event with what the seal lists at its position, or hash it where nothing is listed."""
        position = leaf[0]
        if position < self._listed_from:
            self._unlisted.append(position)
            self._push(position, leaf[1])
            return
        self._skip_to(position)
        if self._at < len(self._entries) and self._entries[self._at][0] == position:
            if self._entries[self._at] != leaf:
                self.findings.add(
                    "altered", position, f"the event was altered after {self._name} had sealed it"
                )
            self._at += 1
        else:
            self.findings.add(
                "inserted", position, f"the event was inserted after {self._name} had been made"
            )

    def _skip_to(self, position: int) -> None:
        """Report the listed events before the position that have not come."""
        while self._at < len(self._entries) and self._entries[self._at][0] < position:
            gone = self._entries[self._at][0]
            self.findings.add(
                "removed", gone, f"the event was removed after {self._name} had sealed it"
            )
            self._at += 1

    def _contradicted(
        self, seal: JudgedSeal, position: int, start: int, place: tuple[int, int]
    ) -> tuple[int, int]:
        """Report that the events up to the seal's position do not have the root that was signed, and go on from it.

        `start` is the index of the first event that no list vouches for, `place` where these events
        are; return that place as narrowly as the peaks can tell.
        """
        unlisted = self._unlisted
        # Something may have been removed right after the last event that is certain.
        first, until = min(place[0], self._after_good()), place[1]
        if seal.tree is not None and not self._lost:
            same, end = first_difference(seal.tree, self._tree)
            if start < same <= start + len(unlisted):
                first = unlisted[same - start - 1] + 1
            if seal.tree.size == self._tree.size and start < end < start + len(unlisted):
                until = unlisted[end - start - 1]
        if unlisted or not self._lost:
            self.findings.add(
                "contradicted",
                first,
                f"somewhere here the log is not what {self._name} covers",
                until,
            )
        self._lost = seal.tree is None
        if seal.tree is not None:
            self._tree = Frontier(seal.tree.size, seal.tree.peaks)
            if self._tree.size in self._kept.watched:
                self._kept.saw_tree(self._tree, position)
        return first, until

    def _tell(self, problems: Sequence[str], first: int, until: int) -> None:
        for problem in problems:
            self.findings.add("seal", first, problem, until)

    def _push(self, position: int, leaf: bytes) -> None:
        self._tree.push(leaf)
        if self._tree.size in self._kept.watched:
            self._kept.saw_tree(self._tree, position)

    @property
    def _name(self) -> str:
        return f"seal {self._seal.number}" if self._seal else "the last seal"

    def _after_good(self) -> int:
        """Return the position after the last good seal: the first one that may be in question."""
        return self._good.head.position + 1 if self._good else 1
