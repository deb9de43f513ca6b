"""What a repository's template says of the variables its app wants."""

from pathlib import Path

import pytest

from catalog.handlers.build import launch_env_templates
from catalog.handlers.untrusted import MAX_TEXT_BYTES, Tree


def entries(root: Path, **files: str) -> dict[str, str]:
    for name, text in files.items():
        (root / f".env.{name}").write_text(text)
    return {entry["key"]: entry["value"] for entry in launch_env_templates(Tree(root))}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("  KEY = value  ", "value"),
        ("export KEY=value", "value"),
        ("export\tKEY=value", "value"),
        ("KEY=", ""),
        ("KEY=a=b", "a=b"),
        ("KEY=value # a comment", "value"),
        ("KEY=# a comment", ""),
        ('KEY="with # and = inside"', "with # and = inside"),
        ("KEY='single' # a comment", "single"),
        ('KEY="a" # "b"', "a"),
        ('KEY=""', ""),
        ('KEY="', '"'),
        ('KEY=say "a # b" # now', 'say "a # b"'),
        ("KEY=value\r", "value"),
        ("exported=1\nKEY=value", "value"),
        ("# KEY=no\nKEY=value", "value"),
        ("KEY=value\nKEY=second", "value"),
        ("no entry\n=nothing\nKEY=value", "value"),
        ("KEY=Käse", "Käse"),
        ("\ufeffKEY=value", "value"),
    ],
)
def test_entries_lose_comments_export_and_quotes(tmp_path: Path, line: str, value: str) -> None:
    assert entries(tmp_path, template=line)["KEY"] == value


def test_the_template_comes_before_the_example(tmp_path: Path) -> None:
    assert entries(tmp_path, template="A=1", example="B=2") == {"A": "1"}


@pytest.mark.parametrize("template", ["", "# nothing\n", "A=1\n" + "#" * MAX_TEXT_BYTES])
def test_the_example_counts_where_the_template_says_nothing_or_is_no_such_thing(
    tmp_path: Path, template: str
) -> None:
    assert entries(tmp_path, template=template, example="B=2") == {"B": "2"}


def test_a_repository_without_templates_has_no_entries(tmp_path: Path) -> None:
    assert entries(tmp_path) == {}


def test_there_is_an_end_to_entries_and_to_their_length(tmp_path: Path) -> None:
    long = f"{'K' * 201}=1\nV={'v' * 2001}\n"
    assert list(
        entries(tmp_path, template=long + "".join(f"K{number}=1\n" for number in range(50)))
    ) == [f"K{number}" for number in range(32)]


def test_no_file_outside_of_the_repository_is_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("SECRET=1")
    (root / ".env.template").symlink_to(tmp_path / "secret")
    assert entries(root, example="B=2") == {"B": "2"}
