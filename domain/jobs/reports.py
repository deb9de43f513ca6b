"""How much of a handler's reports fits into its run.

All reports are merged and written together, so their size is limited. Values that do not fit are
left out, and the run's context says so: no outcome is lost because of its reports.
"""

from domain.jobs.run_events import Report
from domain.json_values import Json, JsonObject, canonical

MAX_METRICS_BYTES = 262_144
"""Of a run's `metrics` as JSON, with all reports merged."""

MAX_CONTEXT_BYTES = 1_048_576 + 262_144
"""Of a run's `context`: as much as a request may have, and 256 KiB for reports. `LEFT_OUT` is not
counted."""

LEFT_OUT = "reportsLeftOut"
"""The member of a run's context that names what was left out."""

MAX_NAMES = 10
"""The number of names in the note, at most."""

MAX_NAME_BYTES = 100
"""Of each name, as JSON."""

MAX_MESSAGE_BYTES = 16_384
"""Of an error message as UTF-8: lists of runs show it. The run's log has all of it."""

_GAP_BYTES = 64
"""Of the note in a shortened message, at most."""


def fit_report(metrics: JsonObject, context: JsonObject, report: Report) -> Report:
    """Return the part of a report that fits into the run, with a note of what was left out.

    Args:
        metrics: of the run.
        context: of the run.
        report: will be merged into these.
    """
    no_metrics = _too_large(metrics, report.metrics, MAX_METRICS_BYTES)
    no_context = _too_large(context, report.context, MAX_CONTEXT_BYTES)
    if not no_metrics and not no_context:
        return report
    names = [f"metrics.{name}" for name in no_metrics]
    names += [f"context.{name}" for name in no_context]
    return Report(
        _without(report.metrics, no_metrics),
        {**_without(report.context, no_context), LEFT_OUT: _note(names)},
        report.logs_url,
    )


def shorten_message(message: str) -> str:
    """Return a message, shortened to its beginning and end if it is too long."""
    encoded = message.encode()
    count = len(encoded)
    if count <= MAX_MESSAGE_BYTES:
        return message
    half = (MAX_MESSAGE_BYTES - _GAP_BYTES) // 2
    begin = encoded[:half].decode(errors="ignore")
    end = encoded[-half:].decode(errors="ignore")
    left_out = count - 2 * half
    return f"{begin} … ({left_out} bytes are left out) … {end}"


def _too_large(before: JsonObject, reported: JsonObject, most: int) -> list[str]:
    """Return the names of the values that do not fit: those that add most."""
    if not reported:
        return []
    remaining = most - len(canonical(before))
    if len(canonical(reported)) <= remaining:
        return []
    growth: dict[str, int] = {}
    for name, value in reported.items():
        growth[name] = _size(name, value)
        if name in before:
            growth[name] -= _size(name, before[name])
    too_large: list[str] = []
    for name in sorted(growth, key=growth.__getitem__):
        if growth[name] > max(remaining, 0):
            too_large.append(name)
        else:
            remaining -= growth[name]
    return too_large


def _size(name: str, value: Json) -> int:
    """Return the bytes of a member, with its colon and comma."""
    return len(canonical(name)) + len(canonical(value)) + 2


def _without(reported: JsonObject, names: list[str]) -> JsonObject:
    left_out = frozenset(names)  # There may be tens of thousands.
    return {name: value for name, value in reported.items() if name not in left_out}


def _note(names: list[str]) -> str:
    first = [_cut(name) for name in names[:MAX_NAMES]]
    note = ", ".join(first)
    more = len(names) - len(first)
    if more:
        note += f" and {more} more"
    return (
        f"{note}: a run has room for {MAX_METRICS_BYTES} bytes of metrics as JSON"
        f" and {MAX_CONTEXT_BYTES} of context;"
        " keep what is large in a store, and report its address"
    )


def _cut(name: str) -> str:
    text = name[:MAX_NAME_BYTES]
    while len(canonical(text)) > MAX_NAME_BYTES:
        text = text[:-1]
    return text
