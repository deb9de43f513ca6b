"""Runs as people see them: tables and single runs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.text import Text

from api.cli.daily.run_ids import short_length
from api.cli.screen import console, harmless, print_table
from api.process.telling.spoken import duration, in_one_line
from apphub_jobs.client import ExplanationDocument, RunDocument

STYLES = {
    "pending": "",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "expired": "red",
    "canceled": "yellow",
}

_WHOLE_ID = 36

OUTCOME_STYLES = {"failed": "red", "timed_out": "red", "lost": "red", **STYLES}


def print_runs(runs: Sequence[RunDocument]) -> None:
    """Print a table of runs, or that there are none."""
    if not runs:
        console().print("no runs", style="dim")
        return
    now = datetime.now(UTC)
    columns = ("run", "job", "status", "attempt", "launched", "took", "error")
    length = _WHOLE_ID
    if console().is_terminal:
        length = short_length(run.id for run in runs)
    rows = [
        (
            run.id[:length],
            run.slug,
            Text(run.status, STYLES[run.status]),
            f"{run.attempt}/{run.max_attempts}",
            f"{ago(run.created_at, now)} ago",
            _took(run.duration_ms),
            in_one_line(run.error_message or ""),
        )
        for run in runs
    ]
    print_table(columns, rows, is_cut=True)


def print_run(run: RunDocument, attempts: Sequence[Mapping[str, Any]]) -> None:
    """Print all that there is to see of a run."""
    out = console()
    style = STYLES[run.status]
    head = Text.assemble((run.slug, "bold"), " ", (run.status, style))
    out.print(head)
    facts = list(_facts(run))
    widest = max(len(name) for name, _ in facts)
    for name, value in facts:
        told = harmless(value)
        label = f"  {name:<{widest}}  "
        out.print(Text.assemble((label, "dim"), told))
    if not attempts:
        return
    out.print()
    columns = ("attempt", "outcome", "started", "took", "worker", "why")
    rows = [
        (
            str(one["attempt"]),
            Text(one["outcome"], OUTCOME_STYLES.get(one["outcome"], "")),
            one["startedAt"],
            _took(one["durationMs"]),
            one["workerId"],
            in_one_line(one["errorMessage"] or ""),
        )
        for one in attempts
    ]
    print_table(columns, rows)


def print_explanation(run: RunDocument, explanation: ExplanationDocument) -> None:
    """Print why a run waits or how it ended: a sentence, and a table of all reasons."""
    out = console()
    status = explanation.status
    style = STYLES[status]
    head = Text.assemble((run.slug, "bold"), " ", run.id, " ", (status, style))
    out.print(head)
    line = Text(harmless(explanation.summary))
    out.print(line)
    if explanation.next_change_at is not None:
        out.print(Text(f"next change: {explanation['nextChangeAt']}"))
    for unknown in explanation.unknown:
        out.print(Text(harmless(f"not known: {unknown}"), "dim"))
    if not explanation.reasons:
        return
    out.print()
    rows = [
        (
            reason.code,
            "yes" if reason.binding else "no",
            reason["since"] or "",
            in_one_line(reason.message),
        )
        for reason in explanation.reasons
    ]
    print_table(("reason", "binds", "since", "why"), rows)


def _facts(run: RunDocument) -> Iterator[tuple[str, str]]:
    """Yield names and values of what is worth telling."""
    version = str(run["definitionVersion"])
    yield "id", run.id
    yield "version", version
    yield "parameters", _json(run.parameters)
    if run.status == "succeeded":
        yield "result", _json(run.result)
    if run.error_message:
        yield "error", run.error_message
    if run.failure_reason:
        yield "reason", run.failure_reason
    yield from _of_context(run)
    if run.metrics:
        yield "metrics", _json(run.metrics)
    yield "requested by", run.requested_by
    for name in ("createdAt", "scheduledAt", "startedAt", "completedAt"):
        if run[name] is not None:
            yield name.removesuffix("At"), run[name]
    if run.duration_ms is not None:
        yield "took", duration(run.duration_ms)


def _of_context(run: RunDocument) -> Iterator[tuple[str, str]]:
    """Yield the traceback, and the rest of the context."""
    others = dict(run.context)
    stack = others.pop("stack", None)
    if isinstance(stack, str):
        lines = stack.rstrip()
        yield "stack", f"\n{lines}"
    if others:
        yield "context", _json(others)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, to the second."""
    passed_s = (now - moment).total_seconds()
    passed_ms = max(0, round(passed_s * 1_000))
    return duration(passed_ms // 1_000 * 1_000)


def _took(ms: int | None) -> str:
    if ms is None:
        return ""
    return duration(ms)
