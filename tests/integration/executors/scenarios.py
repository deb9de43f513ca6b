"""Every way in which an attempt can end, as whoever submits it sees it; and where executors differ.

A scenario holds for every executor that isolates attempts; some say what happens where they share a
process instead, and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worker.executors.port import Capabilities, OutcomeKind


@dataclass(frozen=True)
class Instead:
    """What happens where attempts share a process.

    Attributes:
        why: the documented reason.
        seen: fields of the scenario that are otherwise; None where nothing can be promised.
    """

    why: str
    seen: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A handler of `tests.support.handlers`, without its `test.`, and what must be seen of it.

    Attributes:
        result: the handler's, where it is given.
        message: part of what is said of the end.
        log: part of what is kept of the output.
        is_canceled: whether the attempt is asked to stop once it has printed something, with a
            short grace time if it must end as canceled.
    """

    handler: str
    kind: OutcomeKind = "result"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    result: object = ...
    message: str = ""
    log: str = ""
    timeout_ms: int | None = None
    memory_mb: int | None = None
    is_canceled: bool = False
    instead: Instead | None = None


def expected(scenario: Scenario, capabilities: Capabilities) -> Scenario | None:
    """Return what must be seen of an executor that can do this; None where nothing is promised."""
    instead = scenario.instead
    if instead is None or capabilities.isolates:
        return scenario
    if instead.seen is None:
        return None
    return replace(scenario, **instead.seen)


OWN_LOG = Instead("Other output goes to the process's own log", {"log": ""})

SCENARIOS: dict[str, Scenario] = {
    "returns nothing": Scenario(handler="noop", result=None),
    "returns a result and prints": Scenario(
        handler="echo",
        parameters={"a": [1, None, "ä"]},
        result={"parameters": {"a": [1, None, "ä"]}, "attempt": 1},
        log="INFO logged by the handler",
    ),
    "returns from a coroutine": Scenario(
        handler="asynchronous", parameters={"x": 1}, result={"x": 1}
    ),
    "raises": Scenario(handler="fail", kind="error", message="failing on purpose", log="Traceback"),
    "raises in a coroutine": Scenario(
        handler="raise_late", kind="error", message="failing on purpose", log="Traceback"
    ),
    "raises what no retry can help": Scenario(
        handler="fail_permanently", kind="error", message="never again"
    ),
    "asks for another attempt soon": Scenario(handler="retry_after", kind="error", message="soon"),
    "ends as canceled by itself": Scenario(
        handler="as_told", parameters={"status": "canceled"}, result=None
    ),
    "leaves the program": Scenario(handler="leave", kind="exit", message="exited with code 7"),
    "exits": Scenario(
        handler="exit_process", kind="exit", parameters={"code": 7}, message="code 7"
    ),
    "crashes in C": Scenario(handler="segfault", kind="signal", message="SIGSEGV"),
    "uses too much memory, in a descendant": Scenario(
        handler="grow", kind="out_of_memory", memory_mb=150, message="memoryMb"
    ),
    "runs past its time": Scenario(handler="sleep", kind="timeout", timeout_ms=1_000),
    "runs past its time, deaf": Scenario(handler="ignore_cancel", kind="timeout", timeout_ms=300),
    "runs past its time, and others with it": Scenario(
        handler="block", kind="timeout", timeout_ms=300
    ),
    "is canceled and stops": Scenario(handler="wait", is_canceled=True, result=None, log="waiting"),
    "is canceled while it waits": Scenario(handler="sleep", kind="canceled", is_canceled=True),
    "is canceled and is deaf": Scenario(handler="ignore_cancel", kind="canceled", is_canceled=True),
    "is canceled and goes on waiting": Scenario(handler="stay", kind="canceled", is_canceled=True),
    "is canceled and cleans up": Scenario(
        handler="clean_up",
        kind="canceled",
        is_canceled=True,
        instead=Instead(
            "a coroutine is cancelled at once and may return what it has",
            {"kind": "result", "result": "cleaned up"},
        ),
    ),
    "prints what is no text": Scenario(
        handler="print_binary", log=" !\"#$%&'()*+,-./0123", instead=OWN_LOG
    ),
    "prints from C": Scenario(handler="print_from_c", log="printed from C", instead=OWN_LOG),
    "returns what is no JSON": Scenario(handler="no_json", kind="invalid", message="no JSON"),
    "returns NaN": Scenario(handler="not_a_number", kind="invalid", message="NaN"),
    "returns much": Scenario(handler="large_result", result="x" * 2_000_000),
    "reports more than a run may hold": Scenario(
        handler="report_too_much",
        kind="error",
        message="metrics would have 300009 bytes as JSON",
        log="report_too_much",
    ),
    "works in a directory of its own": Scenario(
        handler="leave_traces",
        instead=Instead(
            "each attempt can read and change the others' files, environment and memory"
        ),
    ),
}
