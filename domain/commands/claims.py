"""What a claim brings: runs that a worker now holds."""

from dataclasses import dataclass

from domain.jobs.definition import Spec
from domain.jobs.run import JobRun
from domain.jobs.run_values import Holder
from domain.json_values import JsonObject


@dataclass(frozen=True)
class Claim:
    """A run that a worker now holds, with all that its execution needs.

    Attributes:
        inputs: what the service looked up for the handler; `{}` for most jobs.
    """

    run: JobRun
    holder: Holder
    spec: Spec
    inputs: JsonObject


class Claims(list[Claim]):
    """Claimed runs, in the order in which they were waiting.

    Attributes:
        is_cut: whether there was room for more, but they are too large to be read in one go, or
            stand behind too many that cannot be read: the next claim has them.
    """

    is_cut = False
