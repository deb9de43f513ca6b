"""From an attempt's outcome to the command that records it, tried until the log has an answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from domain.catalog.effects import Effect
from domain.commands.executions import Claim, Executions
from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    StaleExecutionError,
    VersionConflictError,
)
from domain.jobs.run_values import Failure, FailureReason, Report
from domain.json_values import InvalidJsonError, JsonObject, normalise, normalised_object
from worker.executors.port import Outcome
from worker.logs.run_logs import logs_url

logger = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.5

MAX_URL = 2_000

_REASONS: dict[str, FailureReason] = {
    "exit": "exit",
    "signal": "signal",
    "out_of_memory": "out_of_memory",
    "invalid": "invalid_result",
}


async def persist(what: str, command: Callable[[], Awaitable[None]]) -> bool:
    """Run a command until the log has answered it; return False if the fence refused it."""
    while True:
        try:
            await command()
        except StaleExecutionError as error:
            logger.warning("%s refused: %s", what, error)
            return False
        except (
            LogUnavailableError,
            OutcomeUnknownError,
            OverloadedError,
            VersionConflictError,
        ) as error:
            # A command that did get through before its answer was lost is refused as stale the
            # second time.
            logger.warning("%s must wait: %s", what, error)
            await asyncio.sleep(RETRY_PAUSE_S)
        else:
            return True


async def record(executions: Executions, claim: Claim, outcome: Outcome) -> None:
    """Record how a claimed run ended."""
    run_id = claim.run.id
    try:
        command = _command(executions, claim, outcome)
    except InvalidJsonError as error:
        failure = Failure(f"invalid result: {error.pointer}: {error.message}", "invalid_result")
        report = Report(logs_url=logs_url(str(run_id), claim.run.attempt))
        await persist(
            f"failure of run {run_id}",
            lambda: executions.fail(run_id, claim.holder, failure, report),
        )
        return
    await persist(f"outcome of run {run_id}", command)


def _command(
    executions: Executions, claim: Claim, outcome: Outcome
) -> Callable[[], Awaitable[None]]:
    run_id, holder, message = claim.run.id, claim.holder, outcome.message
    report = report_of(message, run_id, claim.run.attempt)
    match outcome.kind:
        case "result":
            return _result_command(executions, claim, message, report)
        case "stopped" | "lease":
            return lambda: executions.hand_back(run_id, holder)
        case "canceled":
            return lambda: executions.confirm_cancel(
                run_id, holder, "canceled while running", report
            )
        case "timeout":
            return lambda: executions.time_out(run_id, holder, report)
        case "error":
            failure = _raised(message)
            context = {**report.context, "stack": _text(message["stack"])}
            report = Report(report.metrics, context, report.logs_url)
        case "exit" | "signal" | "out_of_memory" | "invalid":
            failure = Failure(_text(message["message"]), _REASONS[outcome.kind])
    return lambda: executions.fail(run_id, holder, failure, report)


def _raised(message: Mapping[str, Any]) -> Failure:
    """Return the failure of an attempt whose handler raised something."""
    text = _text(message["message"])
    permanent = message["permanent"]
    reason: FailureReason = "error"
    if permanent:
        reason = "permanent_error"
    return Failure(text, reason, permanent, message["retryAfterMs"])


def _result_command(
    executions: Executions, claim: Claim, message: Mapping[str, Any], report: Report
) -> Callable[[], Awaitable[None]]:
    run_id, holder = claim.run.id, claim.holder
    why = _text(message["error_message"] or f"the handler ended as {message['status']}")
    match message["status"]:
        case "succeeded":
            result = normalise(message["result"], "/result")
            effects = [_effect(effect) for effect in message["effects"]]
            return lambda: executions.succeed(run_id, holder, result, report, effects)
        case "canceled":
            return lambda: executions.confirm_cancel(run_id, holder, why, report, by_handler=True)
        case "expired":
            return lambda: executions.expire(run_id, holder, why, report)
        case "failed":
            return lambda: executions.fail(run_id, holder, Failure(why, "handler"), report)
        case other:
            failure = Failure(
                f"the handler returned the unknown status {other!r}", "invalid_result"
            )
            return lambda: executions.fail(run_id, holder, failure, report)


def _effect(said: Mapping[str, Any]) -> Effect:
    data = normalised_object(said["data"])
    return Effect(said["kind"], data)


def report_of(message: Mapping[str, Any], run_id: UUID, attempt: int) -> Report:
    """Return what a message of the attempt's process reports, normalised."""
    return Report(
        metrics=_object(message.get("metrics"), "/metrics"),
        context=_object(message.get("context"), "/context"),
        logs_url=_url(message.get("logs_url") or message.get("logsUrl"))
        or logs_url(str(run_id), attempt),
    )


def _object(value: object, pointer: str) -> JsonObject:
    if value is None:
        return {}
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
