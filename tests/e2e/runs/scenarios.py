"""Every way in which a handler can end, and what the run and its history then say."""

from dataclasses import dataclass, field
from typing import Any

ONCE: dict[str, Any] = {"maxAttempts": 1}

THRICE: dict[str, Any] = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 10}

FAILED = ["started", "attempt_failed"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A handler, and what must be seen of its run.

    Attributes:
        handler: of `tests.support.handlers`, without its `test.`.
        history: the run's events after `requested`.
        error: part of `errorMessage`.
        fields: of the run.
        log: part of the last attempt's log.
        evidence: with which the run's end is explained.
    """

    handler: str
    status: str
    history: list[str]
    reason: str | None = None
    error: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=lambda: {"retryPolicy": ONCE})
    fields: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    cancel: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)


def result(status: str, **parameters: Any) -> dict[str, Any]:
    """Return parameters for a handler that ends as it is told."""
    return {"status": status, **parameters}


SCHEMA = {"type": "object", "required": ["n"]}

ENDLESS = {"properties": {"parameters": {"properties": {"a": {"pattern": "^(a|a)*$"}}}}}

SCENARIOS: dict[str, Scenario] = {
    "returns nothing": Scenario(
        handler="noop", status="succeeded", history=["started", "succeeded"]
    ),
    "returns a result and prints": Scenario(
        handler="echo",
        status="succeeded",
        history=["started", "succeeded"],
        parameters={"a": [1, None]},
        fields={"result": {"parameters": {"a": [1, None]}, "attempt": 1}},
        log="printed by the handler",
    ),
    "returns from a coroutine": Scenario(
        handler="asynchronous",
        status="succeeded",
        history=["started", "succeeded"],
        parameters={"x": 1},
        fields={"result": {"x": 1}},
    ),
    "reports while running": Scenario(
        handler="progress", status="succeeded", history=["started", "progressed", "succeeded"]
    ),
    "raises": Scenario(
        handler="fail",
        status="failed",
        history=FAILED,
        reason="error",
        error="failing on purpose",
        log="Traceback",
    ),
    "raises at every attempt": Scenario(
        handler="fail",
        status="failed",
        history=FAILED * 3,
        reason="error",
        error="attempt 3",
        definition={"retryPolicy": THRICE},
        fields={"attempt": 3},
        log="attempt 3",
    ),
    "raises twice, then returns": Scenario(
        handler="succeed_at_third",
        status="succeeded",
        history=[*FAILED, *FAILED, "started", "succeeded"],
        definition={"retryPolicy": THRICE},
        fields={"result": "at last", "attempt": 3, "errorMessage": None},
    ),
    "raises what no retry can help": Scenario(
        handler="fail_permanently",
        status="failed",
        history=FAILED,
        reason="permanent_error",
        error="never again",
        definition={"retryPolicy": THRICE},
    ),
    "asks for another attempt soon": Scenario(
        handler="retry_after",
        status="succeeded",
        history=[*FAILED, "started", "succeeded"],
        definition={"retryPolicy": {**THRICE, "initialDelayMs": 60_000}},
    ),
    "ends as failed": Scenario(
        handler="as_told",
        status="failed",
        history=FAILED,
        reason="handler",
        error="why",
        parameters=result("failed", message="why"),
    ),
    "ends as failed, and is retried": Scenario(
        handler="as_told",
        status="failed",
        history=FAILED * 3,
        reason="handler",
        parameters=result("failed"),
        definition={"retryPolicy": THRICE},
    ),
    "ends as canceled": Scenario(
        handler="as_told",
        status="canceled",
        history=["started", "canceled"],
        reason="handler",
        parameters=result("canceled"),
        definition={"retryPolicy": THRICE},
    ),
    "ends as expired": Scenario(
        handler="as_told",
        status="expired",
        history=["started", "attempt_timed_out"],
        reason="handler",
        parameters=result("expired"),
        definition={"retryPolicy": THRICE},
    ),
    "ends as what nobody knows": Scenario(
        handler="as_told",
        status="failed",
        history=FAILED,
        reason="invalid_result",
        error="splendid",
        parameters=result("splendid"),
    ),
    "exits": Scenario(
        handler="exit_process",
        status="failed",
        history=FAILED,
        reason="exit",
        error="code 7",
        evidence={"exitCode": 7},
        parameters={"code": 7},
    ),
    "exits as if all were well": Scenario(
        handler="exit_process",
        status="failed",
        history=FAILED,
        reason="exit",
        error="code 0",
        parameters={"code": 0},
    ),
    "kills itself": Scenario(
        handler="kill_itself",
        status="failed",
        history=FAILED,
        reason="signal",
        error="SIGKILL",
        evidence={"signal": "SIGKILL"},
    ),
    "crashes in C": Scenario(
        handler="segfault",
        status="failed",
        history=FAILED,
        reason="signal",
        error="SIGSEGV",
        evidence={"signal": "SIGSEGV"},
    ),
    "uses too much memory, in a descendant": Scenario(
        handler="grow",
        status="failed",
        history=FAILED,
        reason="out_of_memory",
        error="memoryMb",
        evidence={"limitMb": 150},
        definition={"retryPolicy": ONCE, "resources": {"memoryMb": 150}},
    ),
    "runs past its time": Scenario(
        handler="wait",
        status="expired",
        history=["started", "attempt_timed_out"],
        reason="execution_timeout",
        error="timeoutMs of 8000",
        evidence={"timeoutMs": 8_000},
        # Long enough for it to begin on a busy machine.
        definition={"retryPolicy": ONCE, "timeoutMs": 8_000},
        log="waiting",
    ),
    "runs past its time, deaf, and again": Scenario(
        handler="ignore_cancel",
        status="expired",
        history=["started", "attempt_timed_out"] * 2,
        reason="execution_timeout",
        definition={"retryPolicy": {"maxAttempts": 2}, "timeoutMs": 1_000},
    ),
    "is canceled and stops": Scenario(
        handler="wait",
        status="canceled",
        history=["started", "cancel_requested", "canceled"],
        error="asked",
        cancel=True,
    ),
    "is canceled and is deaf": Scenario(
        handler="ignore_cancel",
        status="canceled",
        history=["started", "cancel_requested", "canceled"],
        error="asked",
        cancel=True,
    ),
    "prints 100 MB": Scenario(
        handler="flood", status="succeeded", history=["started", "succeeded"], log="is not kept"
    ),
    "prints what is no text": Scenario(
        handler="print_binary",
        status="succeeded",
        history=["started", "succeeded"],
        log=" !\"#$%&'()*+,-./0123",
    ),
    "returns what is no JSON": Scenario(
        handler="no_json", status="failed", history=FAILED, reason="invalid_result", error="no JSON"
    ),
    "returns NaN": Scenario(
        handler="not_a_number",
        status="failed",
        history=FAILED,
        reason="invalid_result",
        error="NaN",
    ),
    "returns more than a result may hold": Scenario(
        handler="large_result",
        status="failed",
        history=FAILED,
        reason="invalid_result",
        error='/result breaks "maxBytes": 1048576',
    ),
    "reports more than a run may hold": Scenario(
        handler="report_too_much",
        status="failed",
        history=["started", "attempt_failed"],
        reason="error",
        error="metrics would have 300009 bytes as JSON; an attempt reports at most 262144",
        log="report_too_much",
    ),
    "ends with more than a run may hold": Scenario(
        handler="end_with_too_much",
        status="succeeded",
        history=["started", "succeeded"],
        fields={
            "result": "kept",
            "context": {
                "reportsLeftOut": "metrics.big: a run has room for 262144 bytes of metrics as JSON"
                " and 1310720 of context; keep what is large in a store, and report its address"
            },
        },
    ),
    "returns what breaks the output schema": Scenario(
        handler="echo",
        status="failed",
        history=FAILED,
        reason="invalid_result",
        error="/result/n",
        definition={"retryPolicy": ONCE, "outputSchema": SCHEMA},
    ),
    "returns what would take for ever to check": Scenario(
        handler="echo",
        status="failed",
        history=FAILED,
        reason="invalid_result",
        error='/result/parameters/a breaks "pattern": ^(a|a)*$ takes too long to match',
        parameters={"a": "a" * 60 + "!"},
        definition={"retryPolicy": ONCE, "outputSchema": ENDLESS},
    ),
}
