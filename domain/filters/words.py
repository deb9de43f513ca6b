"""Conditions as they are written: `status=failed`, `parameters.region!=eu`.

In a query of HTTP they stand as its parameters, so `status!=failed` is the parameter `status!`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.errors import InvalidInputError, Issue

NOT = "!"

EVERYTHING = "all"
"""The word of who means all runs, and says so."""

MAX_WORDS = 50
MAX_VALUE = 1_000
"""Characters of a value; a longer one is no condition that somebody wrote."""


@dataclass(frozen=True)
class Word:
    """One condition, not yet understood.

    Attributes:
        name: of what is compared.
        value: with what, as it is written.
        is_negated: whether it must not be so.
    """

    name: str
    value: str
    is_negated: bool = False

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.asked}={self.value}"

    @property
    def asked(self) -> str:
        """The name of a query's parameter that says this."""
        if self.is_negated:
            return f"{self.name}{NOT}"
        return self.name


def named(name: str, value: str) -> Word:
    """Return the condition that a query's parameter is."""
    if name.endswith(NOT):
        return Word(name.removesuffix(NOT), value, is_negated=True)
    return Word(name, value)


def read(texts: Sequence[str], path: str) -> list[Word]:
    """Return the conditions in texts such as `status=failed`.

    Args:
        texts: one for each.
        path: where they stand in what a client sent, as a JSON Pointer.

    Raises:
        InvalidInputError: one of them is none.
    """
    issues = list(_issues(texts, path))
    if issues:
        raise InvalidInputError(issues)
    words: list[Word] = []
    for text in texts:
        name, _, value = text.partition("=")
        words.append(named(name, value))
    return words


def _issues(texts: Sequence[str], path: str) -> Iterable[Issue]:
    for place, text in enumerate(texts):
        name, equals, _ = text.partition("=")
        if not equals or not name.removesuffix(NOT):
            message = (
                f"{text!r} is no condition; write NAME=VALUE or NAME!=VALUE,"
                " such as status=failed"
            )
            yield Issue(f"{path}/{place}", message, "pattern")
