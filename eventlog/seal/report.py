"""What a check of the seals reports."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from eventlog.seal.seal import SignedHead

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

    def __str__(self) -> str:
        if self.until == self.position:
            return f"position {self.position}: {self.text}"
        return f"positions {self.position}-{self.until}: {self.text}"


@dataclass
class Report:
    """The result of a check, which fills it while it reads the log.

    Attributes:
        log_id: the log's id.
        kept: number of kept heads with which the log is compared.
        events: number of events in the log.
        seals: number of valid seals.
        last: the last valid seal's head.
        unsealed: number of events after it.
        findings: the first `MAX_FINDINGS`; in the order of positions once the check has ended.
        not_reported: number of findings beyond these.
        first: the finding with the lowest position.
    """

    log_id: str
    kept: int
    events: int = 0
    seals: int = 0
    last: SignedHead | None = None
    unsealed: int = 0
    findings: list[Finding] = field(default_factory=list)
    not_reported: int = 0
    first: Finding | None = None

    @property
    def clean(self) -> bool:
        """Return whether nothing is wrong."""
        return self.first is None

    def add(self, kind: Kind, text: str, position: int, until: int | None = None) -> None:
        """Add a finding; `until` is `position` by default, and never less."""
        last = position if until is None else max(position, until)
        finding = Finding(kind, position, last, text)
        if self.first is None or finding.range < self.first.range:
            self.first = finding
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)
        else:
            self.not_reported += 1

    def present(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        return {
            "clean": self.clean,
            "firstBadPosition": None if self.first is None else self.first.position,
            "logId": self.log_id,
            "events": self.events,
            "seals": self.seals,
            "lastSeal": None if self.last is None else self.last.present(),
            "unsealedEvents": self.unsealed,
            "keptHeads": self.kept,
            "findings": [asdict(finding) for finding in self.findings],
            "moreFindings": self.not_reported,
        }
