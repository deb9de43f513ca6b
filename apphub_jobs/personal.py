"""A run's personal values, kept out of what is said of its failures. Pure.

The process of a handler uses it, and so does the service: what an attempt's log and the service's
own log say of an error is made by one rule.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

PERSONAL = "[personal]"
"""What stands where a value was."""

LEAST_CHARACTERS = 8
"""Of a value that is looked for. Shorter ones stand in texts that mean nobody."""

MOST_VALUES = 1_000
"""Of a run that are looked for. What is said of a run with more is left out altogether."""

WITHHELD = f"{PERSONAL} (the run has more than {MOST_VALUES} personal values)"


def without_personal(text: str, parameters: Mapping[str, Any], names: Collection[str]) -> str:
    """Return a text with a word in place of each of a run's personal values.

    A value is found as it is, in other case, and as Python, JSON or a URL would quote it.

    Args:
        text: a message or a traceback.
        parameters: the run's.
        names: of those that are personal.
    """
    personal = (parameters[name] for name in names if name in parameters)
    found = _values_in(list(personal))
    values = set(islice(found, MOST_VALUES + 1))
    if len(values) > MOST_VALUES:
        return WITHHELD
    present = _present_in(text, {form for value in values for form in _forms(value)})
    if not present:
        return text
    longest_first = sorted(present, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return re.sub(pattern, PERSONAL, text, flags=re.IGNORECASE)


def _values_in(part: Any) -> Iterator[str]:
    """Yield the texts and numbers in a JSON value that are long enough to be somebody's.

    Names of members are among them, but for those that a program would give.
    """
    waiting = [part]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [name for name in value if not name.isidentifier()]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif value is not None and not isinstance(value, bool):
            text = str(value)
            if len(text) >= LEAST_CHARACTERS:
                yield text


def _forms(value: str) -> set[str]:
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


def _present_in(text: str, forms: Collection[str]) -> list[str]:
    """Return those of the forms that stand in a text; most are ruled out by one look at it."""
    beginnings = {form: form.casefold()[:LEAST_CHARACTERS] for form in forms}
    wanted = frozenset(beginnings.values())
    folded = text.casefold()
    parts = (folded[at : at + LEAST_CHARACTERS] for at in range(len(folded)))
    present = {part for part in parts if part in wanted}
    return [
        form
        for form, beginning in beginnings.items()
        if beginning in present and form.casefold() in folded
    ]
