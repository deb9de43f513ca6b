"""Patterns of clients: too large ones are refused, honest ones mean what they always meant."""

import re
import warnings
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from domain.json_values import JsonObject
from domain.schema.budget import OverBudgetError, budget, limited
from domain.schema.patterns import PatternError, check_pattern, matches
from domain.schema.validation import schema_issues


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{99}){99}){99}",
        "(?:" * 30 + "a" + ")+" * 30,
        "a{99999}",
        "(?:(?:a{1000}){1000})",
        "[(]((a{99}[)]){99}){99}",
        r"\(((a{99}\)){99}){99}",
        "a" * 5_000,
        "(" * 60 + ")" * 60,
        "(?#[)a{9999999}",
        "(?x)a #[\n{9999999}",
        "(?R)",
        "(?:a){e<=3}(?P>a)",
        r"\L<a>",
        "(?V1)a",
        "[a",
        "a)",
        "\\",
    ],
)
def test_a_pattern_too_large_or_unknown_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(PatternError):
        check_pattern(pattern)
    (issue,) = schema_issues({"properties": {"a": {"pattern": pattern}}}, "/parametersSchema")
    assert issue.path == "/parametersSchema/properties/a/pattern"


def test_the_refusal_of_a_pattern_says_why() -> None:
    (issue,) = schema_issues({"pattern": "a" * 5_000}, "/parametersSchema")
    assert "longer than 4096 characters" in issue.message


def test_many_patterns_that_are_costly_to_compile_are_refused() -> None:
    words = "|".join(f"word{n}" for n in range(500))
    schema: JsonObject = {"patternProperties": {f"{words}|{n}": True for n in range(100)}}
    (issue,) = schema_issues(schema, "/parametersSchema")
    assert issue.keyword == "maxSteps"


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$",
        "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$",
        "^.{1,100000}$",
        "^[A-Za-z0-9+/]{1000,}={0,2}$",
        r"^(?!.*\.\.)(?P<name>[a-z0-9.-]+)(?<!-)@(?P=name)$",
        r"^\p{Lu}\p{L}*$",
        "^(?i:a|b)(?>c)(?(1)d|e)(f)$",
    ],
)
def test_honest_patterns_are_taken(pattern: str) -> None:
    assert schema_issues({"pattern": pattern}, "/parametersSchema") == []


LETTERS = "".join(chr(number) for number in range(0x4E00, 0x4E00 + 1_000))


@pytest.mark.parametrize(
    "pattern",
    [
        rf"[{LETTERS}a]*\d",
        rf"(?i:[{LETTERS[:300]}a]*\d)",
        rf"(?:{'|'.join(LETTERS)}|a)*\d",
        rf"(?:[{LETTERS[:500]}]|[{LETTERS[500:]}a])*\d",
        "a" * 1_000 + "b",
    ],
    ids=["a set", "a set of any case", "branches", "sets to unite", "a word"],
)
def test_what_compares_too_much_is_refused_before_it_is_searched(pattern: str) -> None:
    check_pattern(pattern)  # Compiled, it is known.
    with limited():
        with pytest.raises(OverBudgetError) as refused:
            matches(pattern, "a" * 1_000_000)
        # It is the comparisons that there are not enough steps for. A search would be made, and
        # stopped, with all of them paid.
        assert budget().steps < 0
    assert refused.value.pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^[A-Za-z0-9+/]*={0,2}$", "QUJD" * 250_000),
        (rf"^[{LETTERS}]*$", LETTERS * 7),
        (r"^[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,}$", "somebody@example.org"),
        (r"(?i)error|warning|failed", "all is well " * 20_000 + "FAILED"),
    ],
)
def test_honest_searches_in_long_texts_are_made(pattern: str, text: str) -> None:
    with limited():
        assert matches(pattern, text)


_PARTS = [
    *"abc.^$|-_:,}{ \n",
    "[ab]",
    "[^a]",
    r"\d",
    r"\w",
    r"\b",
    "(a|b)",
    "(?:ab)",
    "(?=a)",
    "(?!b)",
    "(?<=a)",
    "(a)\\1",
]
_PARTS += [
    "x{e}",
    "{e<=1}",
    "[[]",
    "[]a]",
    "[[:alpha:]]",
    "[a--b]",
    "[&&a]",
    r"[\[a]",
    r"\[",
    r"\{",
    "{1",
    "é",
    "(?i:A)",
]
_REPEATS = ["", "", "*", "+", "?", "*?", "+?", "{2}", "{,2}", "{1,2}", "*+"]
_PATTERNS = st.lists(
    st.tuples(st.sampled_from(_PARTS), st.sampled_from(_REPEATS)), min_size=1, max_size=4
)


@given(
    parts=_PATTERNS,
    texts=st.lists(st.text("aabcxe_ {}[]:-1é\n", max_size=6), min_size=3, max_size=3),
)
def test_patterns_mean_what_they_mean_to_the_standard_library_but_for_the_end(
    parts: list[tuple[str, str]], texts: list[str]
) -> None:
    source = "".join(part + repeat for part, repeat in parts)
    with warnings.catch_warnings():
        # That `[[` may mean something else one day.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            expression = re.compile(source.replace("$", r"\Z"))
        except re.error:
            return
    for text in texts:
        with limited():
            assert matches(source, text) == (expression.search(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("^[0-9]+$", "42", True),
        ("^[0-9]+$", "42\n", False),
        (r"[$]$|\$b", "$b", True),
        (r"[$]$", "$\n", False),
        ("(?m)^b$", "a\nb\n", True),
        ("(?i:^B$)", "b\n", False),
    ],
)
def test_a_dollar_is_the_end_of_the_text_as_in_typed_jobs(
    *, pattern: str, text: str, is_match: bool
) -> None:
    with limited():
        assert matches(pattern, text) is is_match
    by_pydantic = TypeAdapter(Annotated[str, Field(pattern=pattern)]).validator
    if is_match:
        assert by_pydantic.validate_python(text) == text
    else:
        with pytest.raises(ValidationError):
            by_pydantic.validate_python(text)
