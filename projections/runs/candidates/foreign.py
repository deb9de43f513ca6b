"""The jobs of which a worker executes nothing, whatever entry points it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from domain.ports import Offer
from domain.workers.isolation import Isolation
from domain.workers.labels import Labels, has_labels

Limited = Literal["to_none", "to_these", "to_others"]
"""Whether runs of all jobs are looked at, of some alone, or of all but these."""


@dataclass(frozen=True)
class Demand:
    """What a job asks of the worker that executes its runs."""

    labels: Labels = field(default_factory=dict)
    isolation: Isolation = "process"


class ForeignJobs:
    """The jobs that ask for labels that a worker lacks, or for another isolation than is claimed.

    To a claim for attempts that share a process, all jobs are foreign but those that ask for it.
    """

    def __init__(
        self, offer: Offer | None = None, wanted: Mapping[str, Demand] | None = None
    ) -> None:
        """Begin.

        Args:
            offer: the worker's; None for one that takes everything.
            wanted: what jobs ask for, by their ids; those left out ask for nothing.
        """
        self._offer = offer
        self._labels = None if offer is None else dict(offer.labels)
        self._unlabelled: set[str] = set()
        self._shared: set[str] = set()
        self.learn(wanted or {})

    def __contains__(self, job_id: object) -> bool:
        """Return whether nothing of the job is for the worker."""
        if self._offer is None:
            return False
        is_shared = job_id in self._shared
        is_other = is_shared != (self._offer.isolation == "shared")
        return is_other or job_id in self._unlabelled

    def learn(self, wanted: Mapping[str, Demand]) -> bool:
        """Take in what some jobs ask for now, perhaps for nothing any more.

        Returns whether one of them is not foreign any more. Its runs have been passed over, so all
        is to be read anew.
        """
        if self._labels is None:
            return False
        is_found_again = False
        for job_id, demand in wanted.items():
            was_foreign = job_id in self
            _put(self._shared, job_id, demand.isolation == "shared")
            has_all = has_labels(self._labels, demand.labels)
            _put(self._unlabelled, job_id, not has_all)
            is_found_again |= was_foreign and job_id not in self
        return is_found_again

    def narrowed(self) -> tuple[Limited, set[str]]:
        """Return of which jobs runs are looked for."""
        if self._offer is not None and self._offer.isolation == "shared":
            return "to_these", self._shared - self._unlabelled
        foreign = self._shared | self._unlabelled
        return ("to_others" if foreign else "to_none"), foreign


def _put(ids: set[str], job_id: str, is_in: bool) -> None:  # noqa: FBT001 - what it is about
    if is_in:
        ids.add(job_id)
    else:
        ids.discard(job_id)
