"""The check of the seals: a pure machine that is fed with seals and leaves in their order.

Between two good seals the events must be those that the second one lists. Where its list cannot be
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
from eventlog.seal.seal import NOTHING_BEFORE, Head, SignedHead, pairs, to_runs
from eventlog.seal.verification.findings import Findings, Report
from eventlog.seal.verification.kept_heads import KeptHeads

END = 2**63
"""Above every position."""


class SealCheck:
    """Call `open` with a seal, `take` with the events up to its position, and `close`.

    After the last seal call `open_tail`, `take` with what is left, and `finish`.
    """

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
        self._events = 0
        self._unsealed = 0
        self._first = 1
        self._last = 1
        self._first_unsealed = 1

    def open(self, seal: JudgedSeal) -> int | None:
        """Begin with the next seal.

        Returns:
            The last position it covers, None if nothing of it can be believed.
        """
        before = 0
        hash_before = NOTHING_BEFORE
        if self._good is not None:
            before = self._good.head.number
            hash_before = self._good.hash
        if seal.signed is None or seal.number <= before:
            self._doubt(seal)
            return None
        head = seal.signed.head
        following = before + 1
        self._doubt_missing(following, head.number)
        is_next = head.number == following
        if is_next and head.previous != hash_before:
            doubt = f"seal {head.number} does not follow from the one before it"
            self._doubts.append(doubt)
        self._kept.saw_seal(seal.signed)
        self._seal = seal
        entries = seal.entries or []
        self._list(entries)
        if entries and is_next:
            # Right after a good seal, every event has to be listed.
            self._listed_from = FIRST
        return head.position

    def open_tail(self) -> None:
        """Begin with the events after the last seal."""
        self._seal = None
        self._list([])

    def take(self, leaves: Sequence[Leaf]) -> None:
        """Look at the next events."""
        count = len(leaves)
        if not self._events:
            self._first, _ = leaves[0]
        self._events += count
        self._last, _ = leaves[-1]
        if self._seal is None:
            self._take_unsealed(leaves)
            return
        end = self._at + count
        listed = self._entries[self._at : end]
        if listed == leaves:
            self._at = end
            return
        for leaf in leaves:
            self._compare(leaf)

    def close(self) -> None:
        """End a seal: all that it covers has been taken."""
        seal = self._seal
        if seal is None or seal.signed is None:
            raise ValueError("no seal is open")
        self._skip_to(END)
        unlisted_count = len(self._unlisted)
        start = self._tree.size - unlisted_count
        for position, leaf in self._entries:
            self._push(position, leaf)
        head = seal.signed.head
        unlisted = self._place_unlisted(head)
        root = self._tree.root().hex()
        if self._tree.size != head.size or root != head.root:
            unlisted = self._contradicted(seal, head.position, start, unlisted)
        first, until = unlisted
        self._tell(self._doubts, first, until)
        if self._entries:
            first, _ = self._entries[0]
            until = head.position
        self._tell(seal.problems, first, until)
        self._good = seal.signed
        self._good_seals += 1
        self._numbers = set()
        self._doubts = []
        self._unlisted = array("q")

    def finish(self) -> Report:
        """End the check: the whole log has been taken."""
        first = self._after_good()
        if self._unsealed:
            first = self._first_unsealed
        self._tell(self._doubts, first, self._last)
        if self._events and self._good is None and not self._doubts:
            text = "nothing of this log is sealed, so nothing can be shown"
            self.findings.add("seal", first, text, self._last)
        unsealed_from = self._after_good()
        lowest = min(self._first, 1)
        self._kept.conclude(self._tree, unsealed_from, lowest)
        told = sorted(self.findings.told, key=lambda finding: finding.place)
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

    def _doubt(self, seal: JudgedSeal) -> None:
        """Note why nothing of a seal can be believed."""
        number = seal.number
        twice = f"there is more than one seal {number}"
        self._doubts += seal.problems or [twice]
        self._numbers.add(number)

    def _doubt_missing(self, first: int, end: int) -> None:
        missing = [
            number for number in range(first, end) if number not in self._numbers
        ]
        for start, last in pairs(to_runs(missing)):
            doubt = f"seals {start} to {last} are missing"
            if start == last:
                doubt = f"seal {start} is missing"
            self._doubts.append(doubt)

    def _list(self, entries: list[Leaf]) -> None:
        self._entries = entries
        self._at = 0
        self._listed_from = END
        if entries:
            self._listed_from, _ = entries[0]

    def _place_unlisted(self, head: Head) -> tuple[int, int]:
        """Return the first and last position of what the seal covers and no list names."""
        first = self._after_good()
        if self._unlisted:
            first = self._unlisted[0]
        until = head.position
        if self._entries:
            first_listed, _ = self._entries[0]
            until = first_listed - 1
        return first, until

    def _take_unsealed(self, leaves: Sequence[Leaf]) -> None:
        if not self._unsealed:
            self._first_unsealed, _ = leaves[0]
        self._unsealed += len(leaves)
        for position, leaf in leaves:
            self._push(position, leaf)

    def _compare(self, leaf: Leaf) -> None:
        """Compare an event with what the seal lists there, or hash it where nothing is listed."""
        position, leaf_hash = leaf
        if position < self._listed_from:
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
        self._at += 1

    def _skip_to(self, position: int) -> None:
        """Report the listed events before the position that have not come."""
        text = f"the event was removed after {self._name} had sealed it"
        while (entry := self._next_entry()) is not None:
            listed, _ = entry
            if listed >= position:
                return
            self.findings.add("removed", listed, text)
            self._at += 1

    def _next_entry(self) -> Leaf | None:
        if self._at == len(self._entries):
            return None
        return self._entries[self._at]

    def _contradicted(
        self, seal: JudgedSeal, position: int, start: int, place: tuple[int, int]
    ) -> tuple[int, int]:
        """Report that the events up to the seal's position do not have its root, and go on from it.

        `start` is the index of the first event that no list vouches for, `place` where these events
        are.

        Returns:
            That place, as narrowly as the peaks can tell.
        """
        unlisted = self._unlisted
        sealed = seal.tree
        first, until = place
        # Something may have been removed right after the last event that is certain.
        first = min(first, self._after_good())
        if sealed is not None and not self._lost:
            first, until = self._narrowed(sealed, start, first, until)
        if unlisted or not self._lost:
            text = f"somewhere here the log is not what {self._name} covers"
            self.findings.add("contradicted", first, text, until)
        self._lost = sealed is None
        if sealed is not None:
            self._tree = Frontier(sealed.size, sealed.peaks)
            if sealed.size in self._kept.watched:
                self._kept.saw_tree(self._tree, position)
        return first, until

    def _narrowed(
        self, sealed: Frontier, start: int, first: int, until: int
    ) -> tuple[int, int]:
        """Return the range of positions that differ, as narrowly as the peaks can tell."""
        unlisted = self._unlisted
        count = len(unlisted)
        same, end = first_difference(sealed, self._tree)
        # Of the events that no list vouches for, how many are surely right, and surely after.
        same -= start
        end -= start
        if 0 < same <= count:
            last_right = unlisted[same - 1]
            first = last_right + 1
        is_as_long = sealed.size == self._tree.size
        if is_as_long and 0 < end < count:
            until = unlisted[end - 1]
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
        if self._seal is None:
            return "the last seal"
        return f"seal {self._seal.number}"

    def _after_good(self) -> int:
        """Return the position after the last good seal: the first one that may be in question."""
        if self._good is None:
            return 1
        return self._good.head.position + 1
