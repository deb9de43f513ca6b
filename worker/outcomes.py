"""Records an attempt's outcome: chooses the command, and retries it until the log answers."""

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
from worker.ports import TRANSIENT_ERRORS

logger = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.5

MAX_URL_CHARACTERS = 2_000

MAX_STACK_CHARACTERS = 32_768

_FAILURE_REASONS: dict[str, FailureReason] = {
    "exit": "exit",
    "signal": "signal",
    "out_of_memory": "out_of_memory",
    "invalid": "invalid_result",
    "lost": "worker_lost",
}

P = ParamSpec("P")

_Command = Callable[[], Awaitable[None]]

_EMPTY_REPORT = Report()


class ClaimedRun:
    """A run that a worker has claimed; its methods record in the log what happens to it.

    Each command is retried until the log answers. If another worker has taken over the run, the
    fence refuses the command, and a warning is logged.

    Attributes:
        claim: the claim.
        id: the run's id.
        public_id: the run's id as text.
    """

    def __init__(self, executions: Executions, claim: Claim) -> None:
        self.claim = claim
        self.id = claim.run.id
        self.public_id = str(self.id)
        self._executions = executions
        self._attempt = claim.run.attempt
        self._holder = claim.holder

    def parse_report(self, message: Mapping[str, Any]) -> Report:
        """Return the report in a message of the attempt's process, normalised.

        Raises:
            InvalidJsonError: a part of it is not JSON, or has the wrong type.
        """
        return Report(
            _parse_optional_object(message.get("metrics"), "/metrics"),
            _parse_optional_object(message.get("context"), "/context"),
            _parse_url(message.get("logs_url") or message.get("logsUrl")) or self._logs_url(),
        )

    async def progress(self, report: Report) -> None:
        """Record a report of a running handler."""
        await self._record("progress", self._bind(self._executions.progress, report))

    async def hand_back(self) -> None:
        """Make the run pending again; this execution does not count as an attempt."""
        await self._record("return", self._bind(self._executions.hand_back))

    async def fail(self, failure: AttemptFailure, report: Report = _EMPTY_REPORT) -> None:
        """Record that the attempt failed."""
        await self._record("failure", self._bind(self._executions.fail, failure, report))

    async def end(self, outcome: Outcome) -> None:
        """Record how the attempt ended; an outcome that is not JSON is recorded as a failure."""
        try:
            command = self._choose_command(outcome)
        except InvalidJsonError as error:
            message = f"invalid result: {error.pointer}: {error.message}"
            report = Report(logs_url=self._logs_url())
            await self.fail(AttemptFailure(message, "invalid_result"), report)
            return
        await self._record("outcome", command)

    def _choose_command(self, outcome: Outcome) -> _Command:
        executions = self._executions
        message = outcome.message
        report = self.parse_report(message)
        match outcome.kind:
            case "result":
                return self._choose_result_command(message, report)
            case "stopped" | "lease":
                return self._bind(executions.hand_back)
            case "canceled":
                return self._bind(executions.confirm_cancel, "canceled while running", report)
            case "timeout":
                return self._bind(executions.time_out, report)
            case "error":
                failure = _parse_error(message)
                report = _add_stack(report, message)
            case "exit" | "signal" | "out_of_memory" | "invalid" | "lost":
                reason = _FAILURE_REASONS[outcome.kind]
                failure = AttemptFailure(_storable(message["message"]), reason)
        return self._bind(executions.fail, failure, report)

    def _choose_result_command(self, message: Mapping[str, Any], report: Report) -> _Command:
        executions = self._executions
        status = message["status"]
        error_message = _storable(message["error_message"] or f"the handler ended as {status}")
        match status:
            case "succeeded":
                result = normalise(message["result"], "/result")
                effects = _parse_effects(message["effects"])
                return self._bind(executions.succeed, result, report, effects, self.claim.spec)
            case "canceled":
                return self._bind(executions.confirm_cancel, error_message, report, by_handler=True)
            case "expired":
                return self._bind(executions.expire, error_message, report)
            case "failed":
                failure = AttemptFailure(error_message, "handler")
            case _:
                text = f"the handler returned the unknown status {status!r}"
                failure = AttemptFailure(text, "invalid_result")
        return self._bind(executions.fail, failure, report)

    def _bind(
        self,
        command: Callable[Concatenate[UUID, Holder, P], Awaitable[None]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> _Command:
        """Return a command on this run, on behalf of the worker that holds it."""
        return partial(command, self.id, self._holder, *args, **kwargs)

    async def _record(self, kind: str, command: _Command) -> None:
        try:
            failure = f"{kind} of run {self.public_id} must wait"
            await retry(command, failure, TRANSIENT_ERRORS, RETRY_PAUSE_S)
        except StaleExecutionError as error:
            # This includes retries of a command that was executed, but whose answer was lost.
            logger.warning("%s of run %s refused: %s", kind, self.id, error)

    def _logs_url(self) -> str:
        return logs_url(self.public_id, self._attempt)


def outcome_name(outcome: Outcome) -> str:
    """Return an outcome as one word: the status that the handler returned, else the kind."""
    if outcome.kind != "result":
        return outcome.kind
    status = str(outcome.message.get("status"))
    return status if status in FINAL else "invalid"


def _parse_error(message: Mapping[str, Any]) -> AttemptFailure:
    """Return the failure of an attempt whose handler raised an exception."""
    permanent = message["permanent"]
    reason: FailureReason = "permanent_error" if permanent else "error"
    return AttemptFailure(_storable(message["message"]), reason, permanent, message["retryAfterMs"])


def _add_stack(report: Report, message: Mapping[str, Any]) -> Report:
    stack = _storable(message["stack"])[-MAX_STACK_CHARACTERS:]  # Its end names the exception.
    return Report(report.metrics, {**report.context, "stack": stack}, report.logs_url)


def _parse_effects(values: object) -> list[Effect]:
    if values is None:
        return []
    if not isinstance(values, list):
        raise InvalidJsonError("/effects", "must be a list")
    return [_parse_effect(value, f"/effects/{index}") for index, value in enumerate(values)]


def _parse_effect(value: object, pointer: str) -> Effect:
    effect = _parse_object(value, pointer)
    kind = effect.get("kind")
    if not isinstance(kind, str):
        raise InvalidJsonError(pointer, "must have a kind, which is a text")
    return Effect(kind, _parse_object(effect.get("data"), f"{pointer}/data"))


def _parse_optional_object(value: object, pointer: str) -> JsonObject:
    return {} if value is None else _parse_object(value, pointer)


def _parse_object(value: object, pointer: str) -> JsonObject:
    if not isinstance(value, Mapping):
        raise InvalidJsonError(pointer, "must be an object")
    return normalised_object(value, pointer)


def _parse_url(value: object) -> str | None:
    url = normalise(value, "/logsUrl")
    if url is None:
        return None
    if not isinstance(url, str) or len(url) > MAX_URL_CHARACTERS:
        problem = f"must be a text of at most {MAX_URL_CHARACTERS} characters"
        raise InvalidJsonError("/logsUrl", problem)
    return url


def _storable(value: object) -> str:
    """Return a text with escapes for surrogates and NUL, which PostgreSQL cannot store."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return text.replace("\x00", "\\x00")
