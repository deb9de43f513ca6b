"""From an attempt's outcome to the command that records it, tried until the log has an answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from domain.commands.executions import Claim, Executions
from domain.errors import StaleExecutionError
from domain.jobs.run_events import AttemptFailure, FailureReason, Holder, Report
from domain.json_values import InvalidJsonError, JsonObject, normalise, normalised_object
from domain.run_followers import Effect
from worker.executors.port import Outcome
from worker.logs.run_logs import logs_url
from worker.ports import PASSING

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
    """Tells the log what becomes of a run that a worker holds.

    Each command is tried until the log has an answer; the fence may refuse it.

    Attributes:
        claim: what was claimed.
        id: the run's.
    """

    def __init__(self, executions: Executions, claim: Claim) -> None:
        self.claim = claim
        self.id = claim.run.id
        self._executions = executions
        self._attempt = claim.run.attempt
        self._holder = claim.holder

    def report_of(self, message: Mapping[str, Any]) -> Report:
        """Return what a message of the attempt's process reports, normalised.

        Raises:
            InvalidJsonError: it reports what is no JSON, or of the wrong kind.
        """
        metrics = _object(message.get("metrics"), "/metrics")
        context = _object(message.get("context"), "/context")
        told_url = message.get("logs_url") or message.get("logsUrl")
        logs_url = _url(told_url)
        if not logs_url:
            logs_url = self._logs_url()
        return Report(metrics, context, logs_url)

    async def progress(self, report: Report) -> None:
        """Append what a handler reports while it runs."""
        append = self._bound(self._executions.progress, report)
        await self._persist("progress", append)

    async def hand_back(self) -> None:
        """Make the run pending again, its attempt unspent."""
        hand_back = self._bound(self._executions.hand_back)
        await self._persist("return", hand_back)

    async def fail(self, failure: AttemptFailure, report: Report = _NOTHING) -> None:
        """End the attempt as failed."""
        fail = self._bound(self._executions.fail, failure, report)
        await self._persist("failure", fail)

    async def end(self, outcome: Outcome) -> None:
        """Record how the attempt ended."""
        try:
            command = self._command(outcome)
        except InvalidJsonError as error:
            message = f"invalid result: {error.pointer}: {error.message}"
            failure = AttemptFailure(message, "invalid_result")
            report = Report(logs_url=self._logs_url())
            await self.fail(failure, report)
            return
        await self._persist("outcome", command)

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
                text = _text(message["message"])
                failure = AttemptFailure(text, _REASONS[outcome.kind])
        return self._bound(executions.fail, failure, report)

    def _result_command(self, message: Mapping[str, Any], report: Report) -> _Command:
        executions = self._executions
        status = message["status"]
        why = _text(message["error_message"] or f"the handler ended as {status}")
        match status:
            case "succeeded":
                result = normalise(message["result"], "/result")
                effects = _effects(message["effects"])
                return self._bound(executions.succeed, result, report, effects)
            case "canceled":
                return self._bound(executions.confirm_cancel, why, report, by_handler=True)
            case "expired":
                return self._bound(executions.expire, why, report)
            case "failed":
                failure = AttemptFailure(why, "handler")
            case _:
                text = f"the handler returned the unknown status {status!r}"
                failure = AttemptFailure(text, "invalid_result")
        return self._bound(executions.fail, failure, report)

    def _bound(
        self,
        command: Callable[Concatenate[UUID, Holder, P], Awaitable[None]],
        *given: P.args,
        **named: P.kwargs,
    ) -> _Command:
        """Return the command about this run, as its holder gives it."""
        return partial(command, self.id, self._holder, *given, **named)

    async def _persist(self, what: str, command: _Command) -> None:
        while True:
            try:
                await command()
            except StaleExecutionError as error:
                logger.warning("%s of run %s refused: %s", what, self.id, error)
                return
            except PASSING as error:
                # A command that did get through before its answer was lost is refused as stale the
                # second time.
                logger.warning("%s of run %s must wait: %s", what, self.id, error)
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return

    def _logs_url(self) -> str:
        return logs_url(str(self.id), self._attempt)


def _raised(message: Mapping[str, Any]) -> AttemptFailure:
    """Return the failure of an attempt whose handler raised something."""
    text = _text(message["message"])
    permanent = message["permanent"]
    reason: FailureReason = "error"
    if permanent:
        reason = "permanent_error"
    return AttemptFailure(text, reason, permanent, message["retryAfterMs"])


def _with_stack(report: Report, message: Mapping[str, Any]) -> Report:
    stack = _text(message["stack"])[-MAX_STACK:]  # Its end tells what was raised.
    context = {**report.context, "stack": stack}
    return Report(report.metrics, context, report.logs_url)


def _effects(said: object) -> list[Effect]:
    if said is None:
        return []
    if not isinstance(said, list):
        raise InvalidJsonError("/effects", "must be a list")
    return [_effect(one, f"/effects/{index}") for index, one in enumerate(said)]


def _effect(said: object, pointer: str) -> Effect:
    given = _given(said, pointer)
    kind = given.get("kind")
    if not isinstance(kind, str):
        raise InvalidJsonError(pointer, "must have a kind, which is a text")
    data = _given(given.get("data"), f"{pointer}/data")
    return Effect(kind, data)


def _object(value: object, pointer: str) -> JsonObject:
    if value is None:
        return {}
    return _given(value, pointer)


def _given(value: object, pointer: str) -> JsonObject:
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
