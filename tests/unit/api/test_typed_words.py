"""What people type, as the parameters that they mean: by words, and in files."""

from pathlib import Path
from typing import Any, Literal

import pytest
import typer

from apphub_jobs import job
from cli.parameters import documents_in, parse_parameters, value_of


@job
def typed(
    text: str,
    number: int,
    share: float,
    maybe: str | None = None,
    either: int | str = 0,
    size: Literal["1", "2"] = "1",
    tags: list[str] | None = None,
) -> None:
    """Take one of each."""


SCHEMA = typed.definition["parametersSchema"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("text=007", "007"),
        ("text=null", "null"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("number=007", "007"),  # No JSON; the service says what is wrong.
        ("number=7", 7),
        ("share=7", 7),
        ("maybe=7", "7"),
        ("maybe=null", None),
        ("maybe=true", "true"),
        ("either=7", 7),
        ("either=true", "true"),
        ("size=2", "2"),
        ('tags=["a"]', ["a"]),
        ("unknown=7", 7),
        ("unknown=seven", "seven"),
    ],
)
def test_words_are_what_the_schema_wants(word: str, meant: Any) -> None:
    name = word.partition("=")[0]
    assert parse_parameters([word], None, SCHEMA) == {name: meant}


def test_a_definition_elsewhere_in_the_schema_counts() -> None:
    schema = {
        "properties": {"size": {"$ref": "#/$defs/Size"}},
        "$defs": {"Size": {"enum": ["1", "2"], "type": "string"}},
    }
    assert value_of("2", "size", schema) == "2"


@pytest.mark.parametrize(
    "schema", [{}, {"properties": True}, {"properties": {"a": True}}, {"properties": {"a": {}}}]
)
def test_without_a_schema_it_is_json_where_it_can_be(schema: Any) -> None:
    assert value_of("1", "a", schema) == 1
    assert value_of("one", "a", schema) == "one"


def test_no_parameter_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
        parse_parameters(["=1"], None, SCHEMA)


def test_a_key_that_stands_twice_in_a_parameter_is_refused() -> None:
    word = '{"a": 1, "a": 2}'
    with pytest.raises(typer.BadParameter, match="tags: the key 'a' stands twice"):
        parse_parameters([f"tags={word}"], None, SCHEMA)
    for name in ("text", "maybe"):
        assert parse_parameters([f"{name}={word}"], None, SCHEMA) == {name: word}


def test_a_parameter_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="number stands twice"):
        parse_parameters(["number=1", "text=a", "number=2"], None, SCHEMA)
    file = tmp_path / "parameters.yaml"
    file.write_text("number: 1\ntext: a")
    assert parse_parameters(["number=2"], str(file), SCHEMA) == {"number": 2, "text": "a"}


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("day: 2026-11-25", [{"day": "2026-11-25"}]),
        ("at: 2026-11-25T10:00:00Z", [{"at": "2026-11-25T10:00:00Z"}]),
        ('{"a": 1.0}\n---\n[true]', [{"a": 1}, [True]]),
        ("", []),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", [{"a": {"b": 1}, "c": {"b": 2}}]),
    ],
)
def test_dates_in_yaml_are_texts(text: str, documents: Any) -> None:
    assert documents_in(text) == documents


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "neither YAML nor JSON"),
        ("1: a", "a key that is no string"),
        ("deep: {on: 1}", "at /deep"),
        ("a: .nan", "NaN"),
        ("a: {b: 1, c: 2, b: 3}", "the key 'b' stands twice"),
        ('{"a": 1, "a": 1}', "line 1, column 10"),
        ("a: !!set {b}", "set is no JSON type"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
    ],
)
def test_what_json_cannot_hold_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        documents_in(text)


def test_a_word_that_is_nested_too_deeply_is_a_text() -> None:
    word = "[" * 100_000
    assert value_of(word, "tags", SCHEMA) == word
