"""The grammar of run filters, for lists, commands and bulk operations. Pure.

First the meaning of a filter (`Conditions`, all of which must hold); then one condition as text
(`Word`); then the existing conditions, and how words become `Conditions` (`conditions_of`). Slugs
and search texts are resolved in `projections.runs.filters`.
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
from domain.failures.signature import DIGITS
from domain.jobs.definition import RUNTIMES
from domain.jobs.run_events import STATUSES, FailureReason
from domain.json_values import HALF_PAIR, NUL, InvalidJsonError, Json, escape, parse


@dataclass(frozen=True)
class AnyOf:
    """None of the values in `excluded`; any of those in `included`, unless that is empty."""

    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Parameter:
    """A parameter has any of these values or, negated, none of them; a missing one has none."""

    name: str
    values: Sequence[Json]
    is_negated: bool


@dataclass(frozen=True)
class Label:
    """A job requires this label of workers, with any of these values or, negated, none of them."""

    name: str
    values: frozenset[str]
    is_negated: bool


@dataclass(frozen=True)
class End:
    """A condition on a run's end; a run that has not ended does not meet it.

    Attributes:
        name: of the condition, such as `endedAfter`.
        value: a time, a number of milliseconds, or part of the error message.
    """

    name: str
    value: datetime | int | str
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The conditions on runs, all of which must hold; an empty field does not restrict.

    Attributes:
        statuses: of the run; None for all, empty if no run can match.
        jobs: slugs of the run's job, in any case.
        modules: ids of the module of the job.
        search: a part of the job's slug or name, or the start of the run's id.
        excluded_searches: texts that must not match in this way.
        actors: who requested the run.
        failures: failure reasons of the run; one that has not ended has none.
        failure_groups: fingerprints of the group of the failure that ended the run.
        workers: ids of the workers that started it, also if others did so later.
        labels: those that its job requires of workers.
        is_retried: whether another run was launched to repeat it; None for either.
        ends: its end, the duration of its last execution, and its error message.
        created_from: it was created then or later.
        created_before: it was created before then.
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
        """Return whether they restrict anything."""
        return self != Conditions()

    def only(self, statuses: Iterable[str]) -> "Conditions":
        """Return the same conditions, restricted to these statuses."""
        allowed = set(statuses)
        before = STATUSES if self.statuses is None else self.statuses
        return replace(self, statuses=tuple(one for one in before if one in allowed))


# Conditions as texts: `status=failed`, `parameters.region!=eu`.
#
# In an HTTP query they are parameters, so `status!=failed` is the parameter `status!`.

NOT = "!"

EVERYTHING = "all"
"""The filter for all runs, as an empty one is refused: it may be a mistake."""

MAX_WORDS = 50
MAX_VALUE = 1_000
"""Characters of a value, at most."""


@dataclass(frozen=True)
class Word:
    """One condition as text.

    Attributes:
        name: of the field that is compared.
        value: that it is compared with.
        is_negated: whether it must differ.
    """

    name: str
    value: str
    is_negated: bool = False

    def __str__(self) -> str:
        """Return the text."""
        return f"{self.name}{NOT if self.is_negated else ''}={self.value}"


def named(name: str, value: str) -> Word:
    """Return the condition of a query's parameter."""
    if name.endswith(NOT):
        return Word(name.removesuffix(NOT), value, is_negated=True)
    return Word(name, value)


def read(texts: Sequence[str], path: str) -> list[Word]:
    """Return the conditions in texts such as `status=failed`.

    Args:
        texts: of the conditions.
        path: of the texts in the request, a JSON Pointer.

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


# The existing conditions on runs.
#
# All must hold. Several values, with commas between them, mean any of them; negated, none of them.

MAX_SEARCH = 200
"""Characters of a search text."""

PARAMETERS = "parameters."

LABEL = "label."

FAILURES: tuple[str, ...] = get_args(FailureReason)

MAX_DURATION_DIGITS = 15
"""Digits of a number of milliseconds, at most."""

_FINGERPRINT = re.compile(f"[0-9a-f]{{{DIGITS}}}")

_ANSWERS = {"true": True, "false": False}


class _RefusedError(Exception):
    """A condition is wrong; the first argument says why, the second names the rule."""


@dataclass
class _Reader:
    """Reads one condition after the other."""

    other_names: Sequence[str] = ()
    conditions: Conditions = field(default_factory=Conditions)
    issues: list[Issue] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def take(self, word: Word, path: str) -> None:
        """Add a condition, or what is wrong with it."""
        try:
            self._check(word)
            self.conditions = _field_of(word, self.other_names)(word, self.conditions)
        except _RefusedError as refused:
            message, keyword = refused.args
            self.issues.append(Issue(f"{path}/{escape(word.name)}", message, keyword))

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
        raise _RefusedError(NUL, "pattern")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _RefusedError(HALF_PAIR, "pattern")


def conditions_of(
    words: Sequence[Word], path: str = "", other_names: Sequence[str] = ()
) -> Conditions:
    """Return the conditions that words express together.

    Args:
        words: the conditions.
        path: of the words in the request, a JSON Pointer.
        other_names: other names that are allowed in the request, for suggestions.

    Raises:
        InvalidInputError: names each wrong condition, its rule and the remedy.
    """
    if len(words) > MAX_WORDS:
        message = f"there are {len(words)} conditions; give at most {MAX_WORDS}"
        raise InvalidInputError([Issue(path, message, "maxItems")])
    reader = _Reader(other_names)
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
    with suppress(InvalidJsonError):  # Then it can only be a text.
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
"""The names of all conditions."""

_SEVERAL = frozenset(
    {"status", "job", "runtime", "moduleId", "actor", "failure", "failureGroup", "worker"}
)


def _field_of(word: Word, other_names: Sequence[str]) -> _Field:
    if word.name.startswith(PARAMETERS):
        return _parameter
    if word.name.startswith(LABEL):
        return _label
    field = _FIELDS.get(word.name)
    if field is None:
        message = f"is no filter of runs; {_remedy(word.name, other_names)}"
        raise _RefusedError(message, "enum")
    return field


def _remedy(unknown: str, other_names: Sequence[str]) -> str:
    names = [*NAMES, *other_names]
    similar = similar_name(unknown, names)
    return f"did you mean {similar}?" if similar else f"there are {', '.join(names)}"


SUGGESTION_CUTOFF = 0.6
"""The least similarity of a suggested name; 1 is equality."""


def similar_name(unknown: str, names: Iterable[str]) -> str | None:
    """Return the name that is most similar, whatever the case; None if none is similar."""
    by_lower = {name.lower(): name for name in names}
    similar = get_close_matches(unknown.lower(), by_lower, n=1, cutoff=SUGGESTION_CUTOFF)
    return by_lower[similar[0]] if similar else None


def _parts(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def _among(word: Word, allowed: Sequence[str]) -> frozenset[str]:
    """Return the word's values in lower case, which must be among the allowed ones."""
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
