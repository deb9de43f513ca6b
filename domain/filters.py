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
from domain.errors import InvalidInputError, Issue
from domain.failures.group import DIGITS
from domain.jobs.definition import RUNTIMES
from domain.jobs.run_events import STATUSES, FailureReason
from domain.json_values import InvalidJsonError, Json, parse


@dataclass(frozen=True)
class AnyOf:
    """Any of the values in `wanted`, where these are not empty, and none of those in `unwanted`."""

    wanted: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()


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
    """What must hold, or must not, of a run's end; of a run that has not ended, it does not.

    Attributes:
        name: of the condition, such as `endedAfter`.
        value: a time, a number of milliseconds, or part of the error message.
    """

    name: str
    value: datetime | int | str
    is_negated: bool


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What runs are wanted; what is left empty does not restrict.

    Attributes:
        statuses: that a run may be in; None for all, and empty where no run can be meant.
        jobs: by slug, whatever their case.
        modules: that the job belongs to, by their ids.
        search: in part of the job's slug or name, or at the start of a run's id.
        unsought: texts that must not be found so.
        actors: who requested it.
        failures: why it ended as it did; a run that has not ended has none.
        failure_groups: fingerprints of the groups that the failure belongs to which it ended by.
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
    unsought: tuple[str, ...] = ()
    actors: AnyOf = AnyOf()
    failures: AnyOf = AnyOf()
    failure_groups: AnyOf = AnyOf()
    labels: tuple[Label, ...] = ()
    is_retried: bool | None = None
    ends: tuple[End, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None

    @property
    def restrict(self) -> bool:
        """Return whether they restrict anything at all."""
        return self != Conditions()

    def only(self, statuses: Iterable[str]) -> "Conditions":
        """Return the same, for runs in one of these statuses alone."""
        passing = set(statuses)
        before = STATUSES if self.statuses is None else self.statuses
        narrowed = tuple(status for status in before if status in passing)
        return replace(self, statuses=narrowed)


# Conditions as they are written: `status=failed`, `parameters.region!=eu`.
#
# In an HTTP query they are its parameters, so `status!=failed` is the parameter `status!`.

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
                f"{text!r} is no condition; write NAME=VALUE or NAME!=VALUE, such as status=failed"
            )
            yield Issue(f"{path}/{place}", message, "pattern")


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
            issue = Issue(f"{path}/{word.name}", message, keyword)
            self.issues.append(issue)

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
    """Return what the words come to.

    Args:
        words: as they are written.
        path: where they stand in what a client sent, as a JSON Pointer.
        beside: other names that may stand among them, and may have been meant.

    Raises:
        InvalidInputError: names each condition that is none, its rule and what helps.
    """
    if len(words) > MAX_WORDS:
        message = f"there are {len(words)} conditions; give at most {MAX_WORDS}"
        raise InvalidInputError([Issue(path or "/", message, "maxItems")])
    reader = _Reader(beside)
    for word in words:
        reader.take(word, path)
    if reader.issues:
        raise InvalidInputError(reader.issues)
    return reader.conditions


_Field = Callable[[Word, Conditions], Conditions]


def _statuses(word: Word, so_far: Conditions) -> Conditions:
    named = _known(word, STATUSES)
    if not named:
        return so_far
    if word.is_negated:
        return so_far.only(set(STATUSES) - named)
    return so_far.only(named)


def _jobs(word: Word, so_far: Conditions) -> Conditions:
    slugs = _parts(word.value)
    jobs = _with(so_far.jobs, word, frozenset(slugs))
    return replace(so_far, jobs=jobs)


def _runtimes(word: Word, so_far: Conditions) -> Conditions:
    named = _known(word, RUNTIMES)
    runtimes = _with(so_far.runtimes, word, named)
    return replace(so_far, runtimes=runtimes)


def _modules(word: Word, so_far: Conditions) -> Conditions:
    named = frozenset(_parts(word.value))
    modules = _with(so_far.modules, word, named)
    return replace(so_far, modules=modules)


def _failures(word: Word, so_far: Conditions) -> Conditions:
    named = _known(word, FAILURES)
    failures = _with(so_far.failures, word, named)
    return replace(so_far, failures=failures)


def _failure_groups(word: Word, so_far: Conditions) -> Conditions:
    parts = _parts(word.value.lower())
    fingerprints = frozenset(parts)
    for one in fingerprints:
        if not _FINGERPRINT.fullmatch(one):
            message = (
                f"{one!r} is no fingerprint, which has {DIGITS} hexadecimal digits;"
                " GET /failures lists them"
            )
            raise _RefusedError(message, "pattern")
    groups = _with(so_far.failure_groups, word, fingerprints)
    return replace(so_far, failure_groups=groups)


def _retried(word: Word, so_far: Conditions) -> Conditions:
    is_retried = _ANSWERS.get(word.value.lower())
    if is_retried is None:
        raise _RefusedError("must be true or false", "enum")
    if word.is_negated:
        is_retried = not is_retried
    if so_far.is_retried not in {None, is_retried}:
        # Both at a time: no run is so.
        return replace(so_far, statuses=())
    return replace(so_far, is_retried=is_retried)


def _actors(word: Word, so_far: Conditions) -> Conditions:
    named: set[str] = set()
    for part in word.value.split(","):
        actor = part.strip()
        if actor:
            named.add(actor)
    actors = _with(so_far.actors, word, frozenset(named))
    return replace(so_far, actors=actors)


def _search(word: Word, so_far: Conditions) -> Conditions:
    text = word.value
    if len(text) > MAX_SEARCH:
        raise _RefusedError(f"has at most {MAX_SEARCH} characters", "maxLength")
    if not text:
        return so_far
    if word.is_negated:
        unsought = (*so_far.unsought, text)
        return replace(so_far, unsought=unsought)
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
    text = word.value.encode()
    with suppress(InvalidJsonError):  # Then it is a text and nothing else.
        value = parse(text)
        values.append(value)
    parameter = Parameter(name, tuple(values), word.is_negated)
    parameters = (*so_far.parameters, parameter)
    return replace(so_far, parameters=parameters)


def _label(word: Word, so_far: Conditions) -> Conditions:
    name = word.name.removeprefix(LABEL)
    if re.fullmatch(workers.NAME, name) is None:
        raise _RefusedError("names no label; write label.NAME, such as label.zone", "pattern")
    values = frozenset(_parts(word.value))
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

_SEVERAL = frozenset({"status", "job", "runtime", "moduleId", "actor", "failure", "failureGroup"})


def _field_of(word: Word, beside: Sequence[str]) -> _Field:
    if word.name.startswith(PARAMETERS):
        return _parameter
    if word.name.startswith(LABEL):
        return _label
    found = _FIELDS.get(word.name)
    if found is None:
        message = f"is no filter of runs; {_remedy(word.name, beside)}"
        raise _RefusedError(message, "enum")
    return found


def _remedy(unknown: str, beside: Sequence[str]) -> str:
    names = [*NAMES, *beside]
    similar = get_close_matches(unknown, names, n=1, cutoff=0.6)
    if similar:
        return f"did you mean {similar[0]}?"
    known = ", ".join(names)
    return f"there are {known}"


def _parts(text: str) -> list[str]:
    with_blanks = text.replace(",", " ")
    return with_blanks.split()


def _known(word: Word, known: Sequence[str]) -> frozenset[str]:
    parts = [part.lower() for part in _parts(word.value)]
    for part in parts:
        if part in known:
            continue
        remedy = ", ".join(known)
        message = f"unknown {word.name} {part!r}; there are {remedy}"
        raise _RefusedError(message, "enum")
    return frozenset(parts)


def _with(so_far: AnyOf, word: Word, values: frozenset[str]) -> AnyOf:
    if word.is_negated:
        unwanted = so_far.unwanted | values
        return replace(so_far, unwanted=unwanted)
    return replace(so_far, wanted=values)


def _time(word: Word) -> datetime:
    try:
        return from_iso(word.value)
    except (ValueError, OverflowError):
        message = "must be a time with an offset, such as 2026-11-24T14:31:04.123Z"
        if " " in word.value:
            message += "; in an address, write + as %2B"
        raise _RefusedError(message, "format") from None


def _bounded(so_far: Conditions, at: datetime, *, is_earliest: bool) -> Conditions:
    if is_earliest:
        earliest = so_far.created_from
        if earliest is not None:
            at = max(earliest, at)
        return replace(so_far, created_from=at)
    latest = so_far.created_before
    if latest is not None:
        at = min(latest, at)
    return replace(so_far, created_before=at)
