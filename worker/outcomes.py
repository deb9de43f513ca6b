"""From an attempt's outcome to the command that records it, retried until the log answers."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from domain.commands.executions import Claim, Executions
from domain.errors import StaleExecutionError
from domain.jobs.run_events import FINAL, AttemptFailure, FailureReason, Holder, Report
from domain.json_values import InvalidJsonError, JsonObject, normalise, normalised_object
from domain.run_followers import Effect
from runtime.tasks import retry
from worker.executors.port import Outcome
from worker.logs.run_logs import logs_url
from worker.ports import TRANSIENT

logger = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.5

MAX_URL = 2_000

MAX_STACK = 32_768

_REASONS: dict[str, FailureReason] = {
    "exit": "exit",
    "signal": "signal",
    "out_of_memory": "out_of_memory",
    "invalid": "invalid_result",
    "lost": "worker_lost",
}

P = ParamSpec("P")

_Command = Callable[[], Awaitable[None]]

_NOTHING = Report()


class ClaimedRun:
    """Records in the log what happens to a run that a worker holds.

    Each command is retried until the log answers; the fence may refuse it.

    Attributes:
        claim: what was claimed.
        id: the run's.
        public_id: the same as text.
    """

    def __init__(self, executions: Executions, claim: Claim) -> None:
        self.claim = claim
        self.id = claim.run.id
        self.public_id = str(self.id)
        self._executions = executions
        self._attempt = claim.run.attempt
        self._holder = claim.holder

    def report_of(self, message: Mapping[str, Any]) -> Report:
        """Return what a message of the attempt's process reports, normalised.

        Raises:
            InvalidJsonError: a part of it is no JSON, or of the wrong kind.
        """
        return Report(
            _object_or_empty(message.get("metrics"), "/metrics"),
            _object_or_empty(message.get("context"), "/context"),
            _url(message.get("logs_url") or message.get("logsUrl")) or self._logs_url(),
        )

    async def progress(self, report: Report) -> None:
        """Append what a handler reports while it runs."""
        await self._record("progress", self._bound(self._executions.progress, report))

    async def hand_back(self) -> None:
        """Make the run pending again, its attempt unspent."""
        await self._record("return", self._bound(self._executions.hand_back))

    async def fail(self, failure: AttemptFailure, report: Report = _NOTHING) -> None:
        """End the attempt as failed."""
        await self._record("failure", self._bound(self._executions.fail, failure, report))

    async def end(self, outcome: Outcome) -> None:
        """Record how the attempt ended."""
        try:
            command = self._command(outcome)
        except InvalidJsonError as error:
            message = f"invalid result: {error.pointer}: {error.message}"
            report = Report(logs_url=self._logs_url())
            await self.fail(AttemptFailure(message, "invalid_result"), report)
            return
        await self._record("outcome", command)

    def _command(self, outcome: Outcome) -> _Command:
        executions = self._executions
        message = outcome.message
        report = self.report_of(message)
        match outcome.kind:
            case "result":
                return self._result_command(message, report)
            case "stopped" | "lease":
                return self._bound(executions.hand_back)
            case "canceled":
                return self._bound(executions.confirm_cancel, "canceled while running", report)
            case "timeout":
                return self._bound(executions.time_out, report)
            case "error":
                failure = _raised(message)
                report = _with_stack(report, message)
            case "exit" | "signal" | "out_of_memory" | "invalid" | "lost":
                failure = AttemptFailure(_text(message["message"]), _REASONS[outcome.kind])
        return self._bound(executions.fail, failure, report)

    def _result_command(self, message: Mapping[str, Any], report: Report) -> _Command:
        executions = self._executions
        status = message["status"]
        reason = _text(message["error_message"] or f"the handler ended as {status}")
        match status:
            case "succeeded":
                result = normalise(message["result"], "/result")
                effects = _effects(message["effects"])
                return self._bound(executions.succeed, result, report, effects, self.claim.spec)
            case "canceled":
                return self._bound(executions.confirm_cancel, reason, report, by_handler=True)
            case "expired":
                return self._bound(executions.expire, reason, report)
            case "failed":
                failure = AttemptFailure(reason, "handler")
            case _:
                text = f"the handler returned the unknown status {status!r}"
                failure = AttemptFailure(text, "invalid_result")
        return self._bound(executions.fail, failure, report)

    def _bound(
        self,
        command: Callable[Concatenate[UUID, Holder, P], Awaitable[None]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> _Command:
        """Return a command about this run, on behalf of its holder."""
        return partial(command, self.id, self._holder, *args, **kwargs)

    async def _record(self, kind: str, command: _Command) -> None:
        try:
            failure = f"{kind} of run {self.public_id} must wait"
            await retry(command, failure, TRANSIENT, RETRY_PAUSE_S)
        except StaleExecutionError as error:
            # Also where a command did get through, but its answer was lost: the retry is refused.
            logger.warning("%s of run %s refused: %s", kind, self.id, error)

    def _logs_url(self) -> str:
        return logs_url(self.public_id, self._attempt)


def ended_as_of(outcome: Outcome) -> str:
    """Return how an attempt ended, in one word: its handler's status, or what ended it."""
    if outcome.kind != "result":
        return outcome.kind
    status = str(outcome.message.get("status"))
    return status if status in FINAL else "invalid"


def _raised(message: Mapping[str, Any]) -> AttemptFailure:
    """Return the failure of an attempt whose handler raised an exception."""
    permanent = message["permanent"]
    reason: FailureReason = "permanent_error" if permanent else "error"
    return AttemptFailure(_text(message["message"]), reason, permanent, message["retryAfterMs"])


def _with_stack(report: Report, message: Mapping[str, Any]) -> Report:
    stack = _text(message["stack"])[-MAX_STACK:]  # Its end names the exception.
    return Report(report.metrics, {**report.context, "stack": stack}, report.logs_url)


def _effects(values: object) -> list[Effect]:
    if values is None:
        return []
    if not isinstance(values, list):
        raise InvalidJsonError("/effects", "must be a list")
    return [_effect(value, f"/effects/{index}") for index, value in enumerate(values)]


def _effect(value: object, pointer: str) -> Effect:
    effect = _object(value, pointer)
    kind = effect.get("kind")
    if not isinstance(kind, str):
        raise InvalidJsonError(pointer, "must have a kind, which is a text")
    return Effect(kind, _object(effect.get("data"), f"{pointer}/data"))


def _object_or_empty(value: object, pointer: str) -> JsonObject:
    return {} if value is None else _object(value, pointer)


def _object(value: object, pointer: str) -> JsonObject:
    if not isinstance(value, Mapping):
        raise InvalidJsonError(pointer, "must be an object")
    return normalised_object(value, pointer)


def _url(value: object) -> str | None:
    url = normalise(value, "/logsUrl")
    if url is None:
        return None
    if not isinstance(url, str) or len(url) > MAX_URL:
        raise InvalidJsonError("/logsUrl", f"must be a text of at most {MAX_URL} characters")
    return url


def _text(value: object) -> str:
    """Return a text that every store holds: what cannot be kept is escaped, not lost."""
    storable = str(value).encode("utf-8", "backslashreplace").decode()
    return storable.replace("\x00", "\\x00")
