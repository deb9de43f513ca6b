"""The one grammar of run filters, for lists, commands and bulk operations. Pure.

First what a filter means (`Conditions`, all of which must hold); then one condition as it is
written (`Word`); then which conditions there are and how words become `Conditions`
(`conditions_of`). What a slug or a text stands for is looked up in `projections.runs.lists`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from typing import get_args

from domain import workers
from domain.clock import from_iso
from domain.errors import InvalidInputError, Issue, refuse
from domain.failures.group import DIGITS
from domain.jobs.definition import RUNTIMES
from domain.jobs.run_events import STATUSES, FailureReason
from domain.json_values import InvalidJsonError, Json, parse


@dataclass(frozen=True)
class AnyOf:
    """Any of the values in `included`, unless that is empty, and none of those in `excluded`."""

    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Parameter:
    """A parameter's value: any of these, or none of them. One that is missing has none."""

    name: str
    values: Sequence[Json]
    is_negated: bool


@dataclass(frozen=True)
class Label:
    """A label that a job asks of workers: with any of these values, or with none of them."""

    name: str
    values: frozenset[str]
    is_negated: bool


@dataclass(frozen=True)
class End:
    """A condition on a run's end; it does not hold for a run that has not ended.

    Attributes:
        name: of the condition, such as `endedAfter`.
        value: a time, a number of milliseconds, or part of the error message.
    """

    name: str
    value: datetime | int | str
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Which runs; an empty field does not restrict.

    Attributes:
        statuses: that a run may be in; None for all, and empty where no run can match.
        jobs: by slug, whatever their case.
        modules: that the job belongs to, by their ids.
        search: in part of the job's slug or name, or at the start of a run's id.
        excluded_searches: texts that must not be found in this way.
        actors: who requested it.
        failures: why it ended as it did; a run that has not ended has none.
        failure_groups: fingerprints of the groups that the failure belongs to which it ended by.
        workers: that started it, by their ids, also if others did so later.
        labels: what its job asks of workers.
        is_retried: whether another run was launched to repeat it; None for either.
        ends: when it ended, how long its last execution took, and its error message.
        created_from: the run was created then or later.
        created_before: the run was created before then.
    """

    statuses: tuple[str, ...] | None = None
    jobs: AnyOf = AnyOf()
    runtimes: AnyOf = AnyOf()
    modules: AnyOf = AnyOf()
    search: str | None = None
    excluded_searches: tuple[str, ...] = ()
    actors: AnyOf = AnyOf()
    failures: AnyOf = AnyOf()
    failure_groups: AnyOf = AnyOf()
    workers: AnyOf = AnyOf()
    labels: tuple[Label, ...] = ()
    is_retried: bool | None = None
    ends: tuple[End, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None

    @property
    def are_restrictive(self) -> bool:
        """Return whether they restrict anything at all."""
        return self != Conditions()

    def only(self, statuses: Iterable[str]) -> "Conditions":
        """Return the same, for runs in one of these statuses alone."""
        allowed = set(statuses)
        before = STATUSES if self.statuses is None else self.statuses
        return replace(self, statuses=tuple(one for one in before if one in allowed))


# Conditions as they are written: `status=failed`, `parameters.region!=eu`.
#
# In an HTTP query they are its parameters, so `status!=failed` is the parameter `status!`.

NOT = "!"

EVERYTHING = "all"
"""The filter for all runs: an empty one is refused, so that nobody means them by mistake."""

MAX_WORDS = 50
MAX_VALUE = 1_000
"""Characters of a value; nobody writes longer ones."""


@dataclass(frozen=True)
class Word:
    """One condition as it is written.

    Attributes:
        name: of what is compared.
        value: what it is compared with.
        is_negated: whether it must not be equal.
    """

    name: str
    value: str
    is_negated: bool = False

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.name}{NOT if self.is_negated else ''}={self.value}"


def named(name: str, value: str) -> Word:
    """Return the condition of a query's parameter."""
    if name.endswith(NOT):
        return Word(name.removesuffix(NOT), value, is_negated=True)
    return Word(name, value)


def read(texts: Sequence[str], path: str) -> list[Word]:
    """Return the conditions in texts such as `status=failed`.

    Args:
        texts: one for each.
        path: where they stand in the request, as a JSON Pointer.

    Raises:
        InvalidInputError: names each text that is no condition.
    """
    words: list[Word] = []
    issues: list[Issue] = []
    for index, text in enumerate(texts):
        name, equals, value = text.partition("=")
        words.append(named(name, value))
        if not equals or not name.removesuffix(NOT):
            message = (
                f"{text!r} is no condition; write NAME=VALUE or NAME!=VALUE, such as status=failed"
            )
            issues.append(Issue(f"{path}/{index}", message, "pattern"))
    refuse(issues)
    return words


# Which conditions there are on runs, and what they mean together.
#
# All must hold. Commas between several values mean any of them; negated, none of them.

MAX_SEARCH = 200
"""Characters of a search text."""

PARAMETERS = "parameters."

LABEL = "label."

FAILURES: tuple[str, ...] = get_args(FailureReason)

MAX_DURATION_DIGITS = 15
"""Digits of a number of milliseconds; more are no duration."""

_FINGERPRINT = re.compile(f"[0-9a-f]{{{DIGITS}}}")

_ANSWERS = {"true": True, "false": False}


class _RefusedError(Exception):
    """A condition that is none; the first argument says why, the second names the rule."""


@dataclass
class _Reader:
    """Takes in one condition after the other."""

    beside: Sequence[str] = ()
    conditions: Conditions = field(default_factory=Conditions)
    issues: list[Issue] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def take(self, word: Word, path: str) -> None:
        """Take a condition in, or note what is wrong with it."""
        try:
            self._check(word)
            self.conditions = _field_of(word, self.beside)(word, self.conditions)
        except _RefusedError as refused:
            message, keyword = refused.args
            self.issues.append(Issue(f"{path}/{word.name}", message, keyword))

    def _check(self, word: Word) -> None:
        _refuse_foreign_characters(str(word))
        if len(word.value) > MAX_VALUE:
            raise _RefusedError(f"has at most {MAX_VALUE} characters", "maxLength")
        if word.is_negated:
            return
        if word.name in self._seen:
            remedy = "all conditions must hold, so give it once"
            if word.name in _SEVERAL or word.name.startswith(LABEL):
                remedy += ", with commas between several values"
            raise _RefusedError(f"stands twice; {remedy}", "uniqueItems")
        self._seen.add(word.name)


def _refuse_foreign_characters(text: str) -> None:
    """Refuse what PostgreSQL cannot store."""
    if "\x00" in text:
        raise _RefusedError("a NUL character", "pattern")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _RefusedError("half a surrogate pair, no character", "pattern")


def conditions_of(words: Sequence[Word], path: str = "", beside: Sequence[str] = ()) -> Conditions:
    """Return the conditions that words express together.

    Args:
        words: as they are written.
        path: where they stand in the request, as a JSON Pointer.
        beside: other names that are allowed beside them, for suggestions.

    Raises:
        InvalidInputError: names each word that is no condition, its rule and the remedy.
    """
    if len(words) > MAX_WORDS:
        message = f"there are {len(words)} conditions; give at most {MAX_WORDS}"
        raise InvalidInputError([Issue(path or "/", message, "maxItems")])
    reader = _Reader(beside)
    for word in words:
        reader.take(word, path)
    refuse(reader.issues)
    return reader.conditions


_Field = Callable[[Word, Conditions], Conditions]


def _statuses(word: Word, so_far: Conditions) -> Conditions:
    statuses = _among(word, STATUSES)
    if not statuses:
        return so_far
    return so_far.only(set(STATUSES) - statuses if word.is_negated else statuses)


def _jobs(word: Word, so_far: Conditions) -> Conditions:
    return replace(so_far, jobs=_with(so_far.jobs, word, _parts(word.value)))


def _runtimes(word: Word, so_far: Conditions) -> Conditions:
    return replace(so_far, runtimes=_with(so_far.runtimes, word, _among(word, RUNTIMES)))


def _modules(word: Word, so_far: Conditions) -> Conditions:
    return replace(so_far, modules=_with(so_far.modules, word, _parts(word.value)))


def _failures(word: Word, so_far: Conditions) -> Conditions:
    return replace(so_far, failures=_with(so_far.failures, word, _among(word, FAILURES)))


def _failure_groups(word: Word, so_far: Conditions) -> Conditions:
    fingerprints = _parts(word.value.lower())
    for one in fingerprints:
        if not _FINGERPRINT.fullmatch(one):
            message = (
                f"{one!r} is no fingerprint, which has {DIGITS} hexadecimal digits;"
                " GET /failures lists them"
            )
            raise _RefusedError(message, "pattern")
    return replace(so_far, failure_groups=_with(so_far.failure_groups, word, fingerprints))


def _retried(word: Word, so_far: Conditions) -> Conditions:
    is_retried = _ANSWERS.get(word.value.lower())
    if is_retried is None:
        raise _RefusedError("must be true or false", "enum")
    if word.is_negated:
        is_retried = not is_retried
    if so_far.is_retried not in {None, is_retried}:
        return replace(so_far, statuses=())  # No run is both.
    return replace(so_far, is_retried=is_retried)


def _actors(word: Word, so_far: Conditions) -> Conditions:
    actors = frozenset(part.strip() for part in word.value.split(",")) - {""}
    return replace(so_far, actors=_with(so_far.actors, word, actors))


def _workers(word: Word, so_far: Conditions) -> Conditions:
    return replace(so_far, workers=_with(so_far.workers, word, _parts(word.value)))


def _search(word: Word, so_far: Conditions) -> Conditions:
    text = word.value
    if len(text) > MAX_SEARCH:
        raise _RefusedError(f"has at most {MAX_SEARCH} characters", "maxLength")
    if not text:
        return so_far
    if word.is_negated:
        return replace(so_far, excluded_searches=(*so_far.excluded_searches, text))
    return replace(so_far, search=text)


def _created_after(word: Word, so_far: Conditions) -> Conditions:
    return _bounded(so_far, _time(word), is_earliest=not word.is_negated)


def _created_before(word: Word, so_far: Conditions) -> Conditions:
    return _bounded(so_far, _time(word), is_earliest=word.is_negated)


def _ended(word: Word, so_far: Conditions) -> Conditions:
    return _with_end(so_far, word, _time(word))


def _took(word: Word, so_far: Conditions) -> Conditions:
    text = word.value
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_DURATION_DIGITS:
        raise _RefusedError("must be a number of milliseconds, such as 90000", "pattern")
    return _with_end(so_far, word, int(text))


def _error(word: Word, so_far: Conditions) -> Conditions:
    if len(word.value) > MAX_SEARCH:
        raise _RefusedError(f"has at most {MAX_SEARCH} characters", "maxLength")
    if not word.value:
        return so_far
    return _with_end(so_far, word, word.value)


def _with_end(so_far: Conditions, word: Word, value: datetime | int | str) -> Conditions:
    end = End(word.name, value, word.is_negated)
    return replace(so_far, ends=(*so_far.ends, end))


def _parameter(word: Word, so_far: Conditions) -> Conditions:
    name = word.name.removeprefix(PARAMETERS)
    if not name:
        message = "names no parameter; write parameters.NAME, such as parameters.region"
        raise _RefusedError(message, "pattern")
    values: list[Json] = [word.value]
    with suppress(InvalidJsonError):  # Then it is a text and nothing else.
        values.append(parse(word.value.encode()))
    parameter = Parameter(name, tuple(values), word.is_negated)
    return replace(so_far, parameters=(*so_far.parameters, parameter))


def _label(word: Word, so_far: Conditions) -> Conditions:
    name = word.name.removeprefix(LABEL)
    if re.fullmatch(workers.NAME, name) is None:
        raise _RefusedError("names no label; write label.NAME, such as label.zone", "pattern")
    values = _parts(word.value)
    if not values:
        return so_far
    label = Label(name, values, word.is_negated)
    return replace(so_far, labels=(*so_far.labels, label))


_FIELDS: dict[str, _Field] = {
    "status": _statuses,
    "job": _jobs,
    "runtime": _runtimes,
    "moduleId": _modules,
    "search": _search,
    "actor": _actors,
    "failure": _failures,
    "failureGroup": _failure_groups,
    "worker": _workers,
    "retried": _retried,
    "createdAfter": _created_after,
    "createdBefore": _created_before,
    "endedAfter": _ended,
    "endedBefore": _ended,
    "minDurationMs": _took,
    "maxDurationMs": _took,
    "error": _error,
}

NAMES = (*_FIELDS, f"{LABEL}NAME", f"{PARAMETERS}NAME")
"""What can be compared."""

_SEVERAL = frozenset(
    {"status", "job", "runtime", "moduleId", "actor", "failure", "failureGroup", "worker"}
)


def _field_of(word: Word, beside: Sequence[str]) -> _Field:
    if word.name.startswith(PARAMETERS):
        return _parameter
    if word.name.startswith(LABEL):
        return _label
    known = _FIELDS.get(word.name)
    if known is None:
        message = f"is no filter of runs; {_remedy(word.name, beside)}"
        raise _RefusedError(message, "enum")
    return known


def _remedy(unknown: str, beside: Sequence[str]) -> str:
    names = [*NAMES, *beside]
    similar = get_close_matches(unknown, names, n=1, cutoff=0.6)
    if similar:
        return f"did you mean {similar[0]}?"
    return f"there are {', '.join(names)}"


def _parts(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def _among(word: Word, allowed: Sequence[str]) -> frozenset[str]:
    """Return the word's values, which must be among the allowed ones, in any case."""
    parts = word.value.lower().replace(",", " ").split()
    for part in parts:
        if part not in allowed:
            message = f"unknown {word.name} {part!r}; there are {', '.join(allowed)}"
            raise _RefusedError(message, "enum")
    return frozenset(parts)


def _with(so_far: AnyOf, word: Word, values: frozenset[str]) -> AnyOf:
    if word.is_negated:
        return replace(so_far, excluded=so_far.excluded | values)
    return replace(so_far, included=values)


def _time(word: Word) -> datetime:
    try:
        return from_iso(word.value)
    except ValueError:
        message = "must be a time with an offset, such as 2026-11-24T14:31:04.123Z"
        if " " in word.value:
            message += "; in an address, write + as %2B"
        raise _RefusedError(message, "format") from None


def _bounded(so_far: Conditions, at: datetime, *, is_earliest: bool) -> Conditions:
    if is_earliest:
        return replace(so_far, created_from=max(so_far.created_from or at, at))
    return replace(so_far, created_before=min(so_far.created_before or at, at))
