"""What a check of the seals found: each thing that is wrong, with the positions it concerns."""

from dataclasses import dataclass, field
from typing import Any, Literal

from eventlog.seal.seal import SignedHead

MAX_FINDINGS = 100
"""Findings that are told one by one; the others are counted. Somebody may have rewritten a million
events."""

Kind = Literal["altered", "removed", "inserted", "contradicted", "seal"]
"""What happened: to one event; to events somewhere in a range (`contradicted`); or to the seals
themselves."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what happened.
        position: the first position that it concerns, or may concern.
        until: the last such position; the same where the event is known exactly.
        text: what to tell people.
    """

    kind: Kind
    position: int
    until: int
    text: str

    @property
    def place(self) -> tuple[int, int]:
        """Where it is; of two that begin at one position, the more exact one comes first."""
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
    """Gathers findings."""

    told: list[Finding] = field(default_factory=list)
    untold: int = 0
    first: Finding | None = None

    def add(
        self, kind: Kind, position: int, text: str, until: int | None = None
    ) -> None:
        """Note one thing; `until` is `position` unless it is given."""
        if until is None or until < position:
            until = position
        finding = Finding(kind, position, until, text)
        if self.first is None or finding.place < self.first.place:
            self.first = finding
        if len(self.told) < MAX_FINDINGS:
            self.told.append(finding)
        else:
            self.untold += 1


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        log_id: the log's name.
        events: how many events the log has.
        seals: how many seals were found good.
        last: the last good one.
        unsealed: how many events come after it.
        kept: how many heads that were kept elsewhere the log was compared with.
        findings: what is wrong, in the order of positions.
        untold: how many more findings there are.
        first: the finding with the first position.
    """

    log_id: str
    events: int
    seals: int
    last: SignedHead | None
    unsealed: int
    kept: int
    findings: list[Finding]
    untold: int
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
            "moreFindings": self.untold,
        }
