"""Regular expressions of clients: searched for a limited time, and refused if costly to compile.

The engine is `regex`, as it can be stopped. Its additions to the standard library's syntax change
the meaning of ordinary patterns (`x{e}` means x with an error) or make them costly. So each pattern
is read here first, and refused or rewritten such that both engines read it alike; except that `$`
matches only at the end of the text, as in JSON Schema and in pydantic, by which typed jobs check
their parameters. Python's also matches before a last line end.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from time import thread_time

import regex

from domain.schema.budget import OverBudgetError, budget, spend

MAX_PATTERN_LENGTH = 4_096

MAX_PATTERN_SIZE = 5_000
"""The engine copies a part that must occur n times: `((a{99}){99}){99}` would fill the memory."""

MAX_PATTERN_NESTING = 50

COMPARISONS_A_STEP = 25
"""The engine checks its time after every 256 attempts, and each may compare the whole text with all
members of a set. This few comparisons in a step limit what cannot be stopped to two seconds."""

_TOKEN = re.compile(
    r"""
      (?P<escape> \\[pPN]\{[^}]*\} | \\. )
    | (?P<set>    \[\^?\]?(?:\\.|[^\]\\])*\] )
    | (?P<open>   \((?!\?)
                | \(\?(?: [:=!>] | <[=!] | P?<[^\W\d]\w*> | [aimsu]*(?:-[ims]+)?: | \(\w+\) ) )
    | (?P<inline> \(\?(?: P=\w+ | [aimsu]+ )\) )
    | (?P<close>  \) )
    | (?P<repeat> [*+?] | \{\d*,\d*\} | \{\d+\} )
    | (?P<other>  [^\\\[(] )
    """,
    re.VERBOSE | re.DOTALL,
)


class PatternError(ValueError):
    """This is no regular expression, or one that is refused."""


@dataclass(frozen=True)
class _Reading:
    """A pattern that has been read.

    Attributes:
        rewritten: the pattern as the engine gets it.
        steps: that compiling it takes.
        width: an upper bound of what the engine compares with each letter of a text: the members of
            all sets, which it may unite; all branches, of which it may make a set; the longest
            word.
    """

    rewritten: str
    steps: int
    width: int


def check_pattern(source: str) -> None:
    """Raise PatternError if the pattern is refused."""
    _paid(source)


def matches(source: str, text: str) -> bool:
    """Return whether the pattern matches somewhere in the text.

    Raises:
        OverBudgetError: it takes too long.
        PatternError: the pattern is refused.
    """
    expression = _paid(source)
    comparisons = _read(source).width * len(text)
    spend(comparisons // COMPARISONS_A_STEP, source, text)
    left = budget()
    # The engine measures the time of the whole process, to which one other thread may add as much.
    most_s = 2 * max(left.pattern_s, 0.0)
    began = thread_time()
    try:
        match = expression.search(text, timeout=most_s)
    except TimeoutError:
        raise OverBudgetError(source, text) from None
    left.pattern_s -= thread_time() - began
    if left.pattern_s < 0:
        raise OverBudgetError(source, text)
    return match is not None


def _paid(source: str) -> regex.Pattern[str]:
    """Return the compiled pattern.

    A cached one costs the same, as no verdict may depend on earlier checks.
    """
    paid = budget().patterns
    if source not in paid:
        spend(len(source) // 10)
        spend(_read(source).steps)
        paid.add(source)
    spend(1)
    return _compiled(source)


_compiling = Lock()


@lru_cache(maxsize=256)
def _compiled(source: str) -> regex.Pattern[str]:
    rewritten = _read(source).rewritten
    with _compiling:
        try:
            return regex.compile(rewritten, regex.V0)
        except (regex.error, ValueError, LookupError, OverflowError, RecursionError) as error:
            raise PatternError(str(error)) from None
        finally:
            regex.purge()  # Its cache would keep every pattern a second time.


@dataclass
class _Group:
    """A group that is still open: the size of its last part, and of all parts before."""

    before: int = 0
    last: int = 0

    @property
    def size(self) -> int:
        return self.before + self.last

    def add(self, part: int) -> None:
        self.before = self.size
        self.last = part

    def repeat(self, least: int) -> None:
        self.last *= least + 1


@lru_cache(maxsize=256)
def _read(source: str) -> _Reading:
    """Read a pattern; syntax that only `regex` knows is refused."""
    if len(source) > MAX_PATTERN_LENGTH:
        raise PatternError(f"longer than {MAX_PATTERN_LENGTH} characters")
    rewritten: list[str] = []
    width = _Width()
    group = _Group()
    around: list[_Group] = []
    tokens = list(_tokens(source))
    end = "$" if any(_sets_multiline(kind, token) for kind, token in tokens) else r"\Z"
    for kind, token in tokens:
        rewritten.append(end if (kind, token) == ("other", "$") else _rewritten(kind, token))
        width.add(kind, token)
        if kind == "open":
            around.append(group)
            group = _Group(before=1)
        elif kind == "close":
            if not around:
                raise PatternError("unbalanced parenthesis")
            part = group.size
            group = around.pop()
            group.add(part)
        elif kind == "repeat":
            group.repeat(_least(token))
        else:
            group.add(1)
        if len(around) >= MAX_PATTERN_NESTING or group.size > MAX_PATTERN_SIZE:
            raise PatternError(
                "too many repetitions inside of repetitions, or too many groups inside of groups"
            )
    outermost = [*around, group][0]
    steps = 5 * len(source) + outermost.size
    return _Reading("".join(rewritten), steps, width.total)


class _Width:
    """Adds up a pattern's width."""

    def __init__(self) -> None:
        self._members = 0
        self._word = 0
        self._longest_word = 0
        self._cases = 1

    @property
    def total(self) -> int:
        return self._cases * self._members + self._longest_word + 1

    def add(self, kind: str, part: str) -> None:
        """Add a part of the pattern."""
        if kind == "set":
            members = _MEMBER.findall(part[1:-1])
            self._members += len(members)
        elif part == "|":
            self._members += 1
        elif kind in {"inline", "open"} and _FOLDING.match(part):
            self._cases = MAX_CASES
        is_letter = kind in {"other", "escape"} and part != "|"
        self._word += 1
        if not is_letter:
            self._word = 0
        self._longest_word = max(self._longest_word, self._word)


MAX_CASES = 4
"""Letters that differ only in their case, at most."""

_FOLDING = re.compile(r"\(\?[a-z]*i")

_MEMBER = re.compile(r"(?:\\[pPN]\{[^}]*\}|\\.|[^\\])(?:-(?:\\.|[^\\\]]))?", re.DOTALL)
"""A member of a set: a letter, a class or a range."""


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(source):
        token = _TOKEN.match(source, position)
        if token is None:
            raise PatternError(f"something unknown or unfinished at position {position}")
        yield str(token.lastgroup), token[0]
        position = token.end()


def _rewritten(kind: str, token: str) -> str:
    if kind == "set":
        return "[" + _ESCAPE_OR_BRACKET.sub(_escaped, token[1:])
    if kind == "other":
        return token.replace("{", r"\{")
    return token


_MULTILINE = re.compile(r"\(\?[a-z]*m")


def _sets_multiline(kind: str, token: str) -> bool:
    """Return whether a token lets `$` match at the end of every line."""
    return kind in {"inline", "open"} and _MULTILINE.match(token) is not None


_ESCAPE_OR_BRACKET = re.compile(r"\\.|\[", re.DOTALL)


def _escaped(match: re.Match[str]) -> str:
    text = match[0]
    if text == "[":
        return r"\["
    return text


def _least(repeat: str) -> int:
    """Return how often the part before must occur at least."""
    if repeat in "*?":
        return 0
    if repeat == "+":
        return 1
    digits, _, _ = repeat.strip("{}").partition(",")
    return int(digits[:6] or 0)  # Six digits are too many already.
