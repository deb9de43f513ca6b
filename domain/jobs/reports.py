"""What of a handler's reports a run has room for. Pure.

Each report is merged into all that was reported before and written whole, so that has a limit. What
does not fit is left out, and the run says so: nobody's outcome is lost for what it reports.
"""

from domain.jobs.run_values import Report
from domain.json_values import Json, JsonObject, canonical

MAX_METRICS_BYTES = 262_144
"""A run's `metrics` with all reports merged, as JSON."""

MAX_CONTEXT_BYTES = 1_048_576 + 262_144
"""A run's `context`, likewise. It begins with what the launch gives, and that may take a whole
request; so much is left for what handlers report. The note of what was left out comes on top."""

LEFT_OUT = "reportsLeftOut"
"""Where a run's context tells what was left out."""

NAMED = 10
"""Names told of what was left out."""

NAME_BYTES = 100
"""Of each, as JSON."""

NOTE_BYTES = 2_048
"""What the note takes at most, with its name."""

MAX_MESSAGE_BYTES = 16_384
"""Why an attempt failed, as UTF-8: it is read with every list of runs. The run's log has all."""

_NOTE_BYTES = 64
"""Room for how much was left out."""


def fitting(metrics: JsonObject, context: JsonObject, report: Report) -> Report:
    """Return what of a report there is room for, with a note of what there is not.

    Args:
        metrics: what the run has already.
        context: likewise.
        report: what is to be merged into these.
    """
    no_metrics = _beyond(metrics, report.metrics, MAX_METRICS_BYTES)
    no_context = _beyond(context, report.context, MAX_CONTEXT_BYTES)
    if not no_metrics and not no_context:
        return report
    names = [f"metrics.{name}" for name in no_metrics]
    names += [f"context.{name}" for name in no_context]
    told: JsonObject = {LEFT_OUT: _note(names)}
    return Report(
        _without(report.metrics, no_metrics),
        {**_without(report.context, no_context), **told},
        report.logs_url,
    )


def fitting_message(message: str) -> str:
    """Return as much of a message as there is room for: its beginning and its end tell most."""
    told = message.encode()
    count = len(told)
    if count <= MAX_MESSAGE_BYTES:
        return message
    half = (MAX_MESSAGE_BYTES - _NOTE_BYTES) // 2
    begin = told[:half].decode(errors="ignore")
    end = told[-half:].decode(errors="ignore")
    left_out = count - 2 * half
    return f"{begin} … ({left_out} bytes are left out) … {end}"


def _beyond(before: JsonObject, reported: JsonObject, most: int) -> list[str]:
    """Return the names of values that there is no room for: the largest of those that grow."""
    if not reported:
        return []
    room = most - len(canonical(before))
    if len(canonical(reported)) <= room:
        return []
    growth: dict[str, int] = {}
    for name, value in reported.items():
        growth[name] = _size(name, value)
        if name in before:
            growth[name] -= _size(name, before[name])
    beyond: list[str] = []
    for name in sorted(growth, key=growth.__getitem__):
        if growth[name] > max(room, 0):
            beyond.append(name)
        else:
            room -= growth[name]
    return beyond


def _size(name: str, value: Json) -> int:
    """Return what a member takes, with the colon and the comma beside it."""
    return len(canonical(name)) + len(canonical(value)) + 2


def _without(reported: JsonObject, names: list[str]) -> JsonObject:
    left_out = frozenset(names)  # Perhaps tens of thousands, of each of which is asked.
    return {name: value for name, value in reported.items() if name not in left_out}


def _note(names: list[str]) -> str:
    first = [_cut(name) for name in names[:NAMED]]
    told = ", ".join(first)
    more = len(names) - len(first)
    if more:
        told += f" and {more} more"
    return (
        f"{told}: a run has room for {MAX_METRICS_BYTES} bytes of metrics as JSON"
        f" and {MAX_CONTEXT_BYTES} of context;"
        " keep what is large in a store, and report its address"
    )


def _cut(name: str) -> str:
    text = name[:NAME_BYTES]
    while len(canonical(text)) > NAME_BYTES:
        text = text[:-1]
    return text
