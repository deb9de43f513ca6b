"""Manifests in JSON and YAML, as plain values and within bounds."""

import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.handlers.untrusted import (
    MAX_MANIFEST_BYTES,
    MAX_NESTING,
    ManifestError,
    Tree,
    first_manifest,
    read_json,
    read_yaml,
)

LOG = logging.getLogger("tests.manifests")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 3.10, true, ~]\n", {"a": "1", "b": ["x", "3.10", "true", None]}),
        ("- a\n- b: {c: d}\n-\n", ["a", {"b": {"c": "d"}}, None]),
        ("a: 'null'\nb: null\nc: ''\nd:\n", {"a": "null", "b": None, "c": "", "d": None}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("a: 2024-99-99\nb: 0x" + "f" * 6_000, {"a": "2024-99-99", "b": "0x" + "f" * 6_000}),
        ("!!str 5", "5"),
        ("? [a]\n: b\n~: c\nd: e\n", {"d": "e"}),
        ("a: &anchor b\nc: d\n", {"a": "b", "c": "d"}),
        ("first: 1\n---\nsecond: 2\n", {"first": "1"}),
        ("# nothing\n", None),
        ("", None),
        ("---\n", None),
    ],
)
def test_yaml_is_read_as_plain_values(text: str, value: Any) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*x", "aliases are not followed"),
        (
            "!!python/object/apply:os.getpid []",
            "the tag tag:yaml.org,2002:python/object/apply:os.getpid is not known",
        ),
        ("!own b", "the tag !own is not known here"),
        ("!!binary a", "the tag tag:yaml.org,2002:binary is not known here"),
        ("a: [b", "it is no YAML: .* in line 1"),
        ("a: b\n}", "it is no YAML: .* in line 2"),
        ("\ta: b", "it is no YAML: found character .* in line 1"),
        ('"\\UFFFFFFFF"', "it is no YAML"),
        ("a\x01b", "it is no YAML"),
        ("%YAML " + "9" * 5_000 + ".1\n---\na", "it is no YAML"),
        ("[" * (MAX_NESTING + 2), f"nested deeper than {MAX_NESTING} levels"),
        ("- " * (MAX_NESTING + 2) + "a", f"nested deeper than {MAX_NESTING} levels"),
    ],
)
def test_yaml_that_is_broken_or_more_than_plain_is_refused(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_yaml(text)


@pytest.mark.parametrize(
    ("text", "value", "messages"),
    [
        ("a: &x b\nc: *x\nd: e", {"a": "b", "d": "e"}, ["aliases .* [(]line 2"]),
        ("a: &x [*x, b]", {"a": ["b"]}, ["aliases"]),
        ("a: &x {b: c}\nd: {<<: *x, e: f}", {"a": {"b": "c"}, "d": {"e": "f"}}, ["al"]),
        ("- a\n- !mine {b: [c]}\n- d", ["a", "d"], ["tag !mine .* [(]line 2"]),
        ("? !odd a\n: b\nc: !odd d\ne: f", {"e": "f"}, ["!odd", "!odd"]),
        ("- !a [!b c, d]\n- e", ["e"], ["!b", "!a"]),
    ],
)
def test_an_odd_entry_of_yaml_is_left_out_and_the_others_stay(
    text: str, value: Any, messages: list[str]
) -> None:
    left_out: list[str] = []
    assert read_yaml(text, left_out.append) == value
    assert len(left_out) == len(messages)
    for message, pattern in zip(left_out, messages, strict=True):
        assert re.search(pattern, message), message


def test_the_deepest_permitted_nesting_is_read() -> None:
    assert read_yaml("[" * MAX_NESTING + "]" * MAX_NESTING) is not None


@given(st.text() | st.text(alphabet="-?:,[]{}#&*!|>'\"%@` \n\taN0~=<\\U\ud800", max_size=60))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    for read in (read_yaml, read_json):
        with suppress(ManifestError):
            json.dumps(read(text))


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": ', "9" * 5_000, "[" * 100_000, '{"a":' * 100_000, "nul", "'a'"]
)
def test_json_that_is_broken_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match=r"it is no JSON|nested too deeply"):
        read_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["[[", "\\\\", "\\"{", {"]": []}]', ["[[", "\\", '"{', {"]": []}]),
        ("[" * 100 + "]" * 100, None),
        ("[[]," * 300 + "0" + "]" * 300, ManifestError),
        ("[" + "[], " * 300 + "0]", [*[[]] * 300, 0]),
    ],
)
def test_json_is_as_deep_as_its_brackets_outside_of_texts(text: str, value: object) -> None:
    if value is ManifestError:
        with pytest.raises(ManifestError, match="nested too deeply"):
            read_json(text)
    else:
        assert read_json(text) == (json.loads(text) if value is None else value)


SLOW = (
    "[",
    "{",
    "- ",
    "? ",
    "&a ",
    '"',
    "'",
    "a\n",
    "-\n",
    "|\n",
    "a: b\n",
    "[a,",
    "{a: ",
    "- - -\n",
    "%T a\n",
    "{a,",
    "? a\n",
)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("piece", SLOW)
def test_no_text_of_the_largest_size_takes_long(piece: str) -> None:
    with suppress(ManifestError):
        assert (
            len(str(read_yaml(piece * (MAX_MANIFEST_BYTES // len(piece)))))
            < 10 * MAX_MANIFEST_BYTES
        )


def test_the_first_file_counts_and_a_broken_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = Tree(tmp_path)
    names = ("a.json", "b.yaml")
    assert first_manifest(tree, names, LOG) is None
    (tmp_path / "b.yaml").write_text("from: b")
    assert first_manifest(tree, names, LOG) == {"from": "b"}
    assert caplog.text == ""
    (tmp_path / "a.json").write_text("{\n\t")
    assert first_manifest(tree, names, LOG) is None
    assert "a.json is skipped: it is no JSON" in caplog.text


@pytest.mark.parametrize(
    ("size", "read"), [(MAX_MANIFEST_BYTES, "a"), (MAX_MANIFEST_BYTES + 1, None)]
)
def test_a_file_over_the_bound_is_passed_over(tmp_path: Path, size: int, read: str | None) -> None:
    (tmp_path / "a.yaml").write_text("a".ljust(size))
    assert first_manifest(Tree(tmp_path), ("a.yaml",), LOG) == read
