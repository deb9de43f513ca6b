"""Redacts a run's personal values from error messages and tracebacks. Pure.

Handlers' processes and the service use it, so that one rule holds for an attempt's log and for the
event log.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

PERSONAL = "[personal]"
"""Replaces a personal value."""

MIN_CHARACTERS = 8
"""Shorter values are not redacted: they occur in texts that are not about the person."""

MAX_VALUES = 1_000
"""A run with more personal values has its messages withheld altogether."""

WITHHELD = f"{PERSONAL} (the run has more than {MAX_VALUES} personal values)"


def redact_personal(text: str, parameters: Mapping[str, Any], names: Collection[str]) -> str:
    """Return a text with each of a run's personal values replaced by `PERSONAL`.

    Values match in any case, and as Python, JSON or a URL quotes them.

    Args:
        text: a message or a traceback.
        parameters: the run's parameters.
        names: the names of the personal ones.
    """
    personal = [parameters[name] for name in names if name in parameters]
    values = set(islice(_values_in(personal), MAX_VALUES + 1))
    if len(values) > MAX_VALUES:
        return WITHHELD
    occurring = _occurring_forms(text, {form for value in values for form in _forms(value)})
    if not occurring:
        return text
    longest_first = sorted(occurring, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return re.sub(pattern, PERSONAL, text, flags=re.IGNORECASE)


def _values_in(part: Any) -> Iterator[str]:
    """Yield the texts and numbers in a JSON value that are long enough to identify a person.

    Keys count, too, unless they are identifiers as programs use them.
    """
    pending = [part]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending += [name for name in value if not name.isidentifier()]
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif value is not None and not isinstance(value, bool):
            text = str(value)
            if len(text) >= MIN_CHARACTERS:
                yield text


def _forms(value: str) -> set[str]:
    """Return a value as it is, and as Python, JSON and URLs quote it."""
    return {
        value,
        repr(value)[1:-1],
        ascii(value)[1:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value, errors="replace"),
        quote(value, safe="", errors="replace"),
        quote_plus(value, errors="replace"),
    }


def _occurring_forms(text: str, forms: Collection[str]) -> list[str]:
    """Return the forms that occur in a text.

    One pass over the text finds the prefixes that occur in it, which rules out most forms.
    """
    prefixes = {form: form.casefold()[:MIN_CHARACTERS] for form in forms}
    candidates = frozenset(prefixes.values())
    folded = text.casefold()
    windows = (folded[start : start + MIN_CHARACTERS] for start in range(len(folded)))
    occurring = {window for window in windows if window in candidates}
    return [
        form
        for form, prefix in prefixes.items()
        if prefix in occurring and form.casefold() in folded
    ]
