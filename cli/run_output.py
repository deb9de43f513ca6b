"""How runs are printed: in tables, in full, and with the reasons for which they wait."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.text import Text

from apphub_jobs.client import ExplanationDocument, RelatedDocument, RunDocument
from cli.run_ids import short_length
from cli.terminal import console, harmless, print_facts, print_json, print_table
from cli.times import ago
from runtime.text import duration, in_one_line, pluralize

STYLES = {
    "pending": "",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "expired": "red",
    "canceled": "yellow",
}

_WHOLE_ID = 36

_MAX_NAMED = 5
"""Retries that are shown with a run."""

OUTCOME_STYLES = {"failed": "red", "timed_out": "red", "lost": "red", **STYLES}


def print_runs(runs: Sequence[RunDocument], *, as_json: bool) -> None:
    """Print runs, each as a line of JSON or as a row of a table; or that there are none."""
    if as_json:
        for run in runs:
            print_json(run)
        return
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


def print_run(
    run: RunDocument, attempts: Sequence[Mapping[str, Any]], related: RelatedDocument
) -> None:
    """Print a run in full, with its attempts and what belongs to it."""
    out = console()
    out.print(Text.assemble((run.slug, "bold"), " ", (run.status, STYLES[run.status])))
    print_facts({**dict(_facts(run)), **dict(_related_facts(related))})
    if not attempts:
        return
    out.print()
    columns = ("attempt", "outcome", "started", "took", "worker", "why")
    rows = [
        (
            str(attempt["attempt"]),
            Text(attempt["outcome"], OUTCOME_STYLES.get(attempt["outcome"], "")),
            attempt["startedAt"],
            _took(attempt["durationMs"]),
            attempt["workerId"],
            in_one_line(attempt["errorMessage"] or ""),
        )
        for attempt in attempts
    ]
    print_table(columns, rows)


def print_explanation(run: RunDocument, explanation: ExplanationDocument) -> None:
    """Print why a run waits or how it ended: a sentence, and a table of all reasons."""
    out = console()
    status = (explanation.status, STYLES[explanation.status])
    out.print(Text.assemble((run.slug, "bold"), " ", run.id, " ", status))
    out.print(Text(harmless(explanation.summary)))
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
    """Yield the names and values of a run's fields that matter to people."""
    yield "id", run.id
    yield "version", str(run["definitionVersion"])
    yield "parameters", _json(run.parameters)
    if run.status == "succeeded":
        yield "result", _json(run.result)
    if run.error_message:
        yield "error", run.error_message
    if run.failure_reason:
        yield "reason", run.failure_reason
    yield from _context_facts(run)
    if run.metrics:
        yield "metrics", _json(run.metrics)
    yield "requested by", run.requested_by
    for name in ("createdAt", "scheduledAt", "startedAt", "completedAt"):
        if run[name] is not None:
            yield name.removesuffix("At"), run[name]
    if run.duration_ms is not None:
        yield "took", duration(run.duration_ms)


def _related_facts(related: RelatedDocument) -> Iterator[tuple[str, str]]:
    group = related.failure_group
    if group is not None:
        yield "failure", f"{group.fingerprint}, {group.status}, {pluralize(group.count, 'failure')}"
    operation = related.bulk_operation
    if operation is not None:
        yield "bulk", f"{operation.id}, {operation.action}: {in_one_line(operation.reason)}"
    if related.retries:
        names = [f"{run.id} {run.status}" for run in related.retries[:_MAX_NAMED]]
        more = ", …" if len(related.retries) > _MAX_NAMED else ""
        yield "repeated by", f"{', '.join(names)}{more}"


def _context_facts(run: RunDocument) -> Iterator[tuple[str, str]]:
    others = dict(run.context)
    stack = others.pop("stack", None)
    if isinstance(stack, str):
        yield "stack", f"\n{stack.rstrip()}"
    if others:
        yield "context", _json(others)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _took(ms: int | None) -> str:
    return "" if ms is None else duration(ms)
