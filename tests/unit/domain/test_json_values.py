"""JSON is normalised once: what would change or break later is changed or refused at the door."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json_values import (
    MAX_DEPTH,
    InvalidJsonError,
    Json,
    canonical,
    escape,
    normalise,
    normalised_object,
    parse,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def refusal(value: object) -> InvalidJsonError:
    with pytest.raises(InvalidJsonError) as refused:
        normalise(value)
    return refused.value


def refusal_of_text(raw: bytes) -> InvalidJsonError:
    with pytest.raises(InvalidJsonError) as refused:
        parse(raw)
    return refused.value


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def shuffled(value: Any) -> Any:
    """Return an equal value with keys in another order, and with floats for whole numbers."""
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if type(value) is int and abs(value) < 2**53:
        return float(value)
    return value


@given(VALUES)
def test_normalising_twice_is_normalising_once(value: Any) -> None:
    once = normalise(value)
    assert canonical(normalise(once)) == canonical(once)


@given(VALUES)
def test_what_is_kept_comes_back_from_its_text_unchanged(value: Any) -> None:
    kept = normalise(value)
    assert canonical(parse(canonical(kept))) == canonical(kept)


@given(VALUES)
def test_equal_values_have_equal_bytes(value: Any) -> None:
    one = json.dumps(value).encode()
    other = json.dumps(shuffled(value), ensure_ascii=False, indent=2).encode()
    assert canonical(parse(one)) == canonical(parse(other))


@given(VALUES)
def test_blanks_between_values_mean_nothing(value: Any) -> None:
    dense = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    spaced = json.dumps(value, ensure_ascii=False, indent=1).encode()
    assert repr(parse(dense)) == repr(parse(spaced))


@given(VALUES)
def test_normalising_changes_no_value(value: Any) -> None:
    assert normalise(value) == value


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"-0.0", 0),
        (b"-0", 0),
        (b"1e5", 100_000),
        (b"1.0", 1),
        (b"1.50", 1.5),
        (b"1e-2", 0.01),
        (b"1e19", 10**19),
        (b"1e300", 1e300),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
    ],
)
def test_a_number_has_one_form(text: bytes, kept: float) -> None:
    value = parse(text)
    assert value == kept
    assert type(value) is type(kept)
    assert str(value) == str(kept)


def test_keys_are_sorted_in_the_canonical_text() -> None:
    assert (
        canonical(parse(b'{"b": 1, "a": {"d": [], "c": null}}')) == b'{"a":{"c":null,"d":[]},"b":1}'
    )


def test_booleans_stay_booleans() -> None:
    assert canonical(normalise([True, False, 1, 0])) == b"[true,false,1,0]"


@pytest.mark.parametrize("raw", [b'"\\u0000"', b'{"a": ["\\u0000"]}', b'{"\\u0000": 1}'])
def test_a_nul_character_is_refused(raw: bytes) -> None:
    assert "NUL" in refusal_of_text(raw).message


@pytest.mark.parametrize("raw", [b'"\\ud800"', b'["x\\udc00y"]', b'{"\\ud800": 1}'])
def test_half_a_surrogate_pair_is_refused(raw: bytes) -> None:
    assert "surrogate" in refusal_of_text(raw).message


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    "raw", [b"NaN", b"Infinity", b"-Infinity", b'{"a": NaN}', b"1e400", b"-1e400"]
)
def test_what_is_no_finite_number_is_refused(raw: bytes) -> None:
    assert refusal_of_text(raw).message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_finite_number_is_refused(value: float) -> None:
    assert refusal({"a": [0, value]}).pointer == "/a/1"


@pytest.mark.parametrize("raw", [b"18446744073709551616", b"-9223372036854775809", b"9" * 5_000])
def test_an_integer_beyond_64_bits_is_refused(raw: bytes) -> None:
    assert refusal_of_text(raw).message


@pytest.mark.parametrize("raw", [b'{"a": 1, "a": 1}', b'{"b": [{"a": 1, "c": 2, "a": 3}]}'])
def test_a_repeated_key_is_refused_by_name(raw: bytes) -> None:
    assert "'a'" in refusal_of_text(raw).message


@pytest.mark.timeout(150)
def test_a_repeated_key_among_many_is_found_soon() -> None:
    keys = ",".join(f'"k{number}":0' for number in range(200_000))
    assert "'k199999'" in refusal_of_text(f'{{{keys},"k199999":1}}'.encode()).message


def test_nesting_up_to_the_limit_is_kept() -> None:
    deepest = nested(MAX_DEPTH)
    assert parse(json.dumps(deepest).encode()) == deepest


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 100_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"]
)
def test_deeper_nesting_is_refused(levels: int, opening: str, closing: str) -> None:
    raw = opening * levels + "1" + closing * levels
    assert f"deeper than {MAX_DEPTH}" in refusal_of_text(raw.encode()).message


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"{'a': 1}", b"[1,]", b"01", b'"\xff"', b"\xef\xbb\xbf{}", b"1 2"]
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    assert refusal_of_text(raw).pointer == ""


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), {"a": {3: 4}}])
def test_a_value_of_python_alone_is_refused(value: object) -> None:
    assert refusal(value).message


def test_the_pointer_names_the_place() -> None:
    assert refusal({"a/b": [{"c~d": "\x00"}]}).pointer == "/a~1b/0/c~0d"


@pytest.mark.parametrize(("key", "part"), [("a", "a"), ("a/b", "a~1b"), ("~1", "~01"), ("", "")])
def test_keys_are_escaped_as_json_pointer_wants_it(key: str, part: str) -> None:
    assert escape(key) == part


@pytest.mark.parametrize("value", [[], "text", 1, None])
def test_an_object_is_asked_for_where_one_must_be(value: Json) -> None:
    with pytest.raises(InvalidJsonError) as refused:
        normalised_object(value, "/context")  # type: ignore[arg-type]
    assert refused.value.pointer == "/context"


@pytest.mark.timeout(150)
def test_a_long_key_of_many_parts_costs_no_more_than_its_length() -> None:
    # Were each part's place put together, this would copy half a terabyte.
    long = "k" * 5_000_000
    value: Json = {long: [[]] * 100_000}
    assert normalise(value) == value
    assert refusal({long: [[], [1, 2**64]]}).pointer == f"/{long}/1/1"
