"""What a repository's files say of its app (contract, section 9), on trees of real files."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.handlers.build import launch_env_templates
from catalog.handlers.ingest import (
    Tag,
    file_tags,
    find_dockerfile,
    merge_tags,
    package_manifest,
    package_tags,
    readme_summary,
)
from catalog.handlers.untrusted import MAX_TEXT_BYTES, is_storable
from tests.unit.worker.handlers.ingestion.planting import LOG, Plant

# package.json -------------------------------------------------------------------------------------


def of_package(plant: Plant, manifest: object, *more: str) -> list[Tag]:
    tree = plant({"package.json": json.dumps(manifest), **dict.fromkeys(more, "{}")})
    return package_tags(package_manifest(tree, LOG), tree)


@pytest.mark.parametrize(
    ("dependency", "tag"),
    [
        ("next", ("framework", "nextjs")),
        ("astro", ("framework", "astro")),
        ("remix", ("framework", "remix")),
        ("@remix-run/react", ("framework", "remix")),
        ("@remix-run/node", ("framework", "remix")),
        ("react", ("library", "react")),
        ("vue", ("framework", "vue")),
        ("nuxt", ("framework", "vue")),
        ("svelte", ("framework", "svelte")),
        ("sveltekit", ("framework", "svelte")),
        ("@sveltejs/kit", ("framework", "svelte")),
        ("typescript", ("language", "typescript")),
    ],
)
@pytest.mark.parametrize("part", ["dependencies", "devDependencies", "peerDependencies"])
def test_a_dependency_gives_its_tag(plant: Plant, part: str, dependency: str, tag: Tag) -> None:
    assert of_package(plant, {part: {dependency: "^1.0.0", "left-pad": "1"}}) == [tag]


def test_a_tsconfig_gives_the_language_without_a_dependency(plant: Plant) -> None:
    assert package_tags({}, plant({"tsconfig.json": ""})) == [("language", "typescript")]
    assert of_package(plant, {"devDependencies": {"typescript": "5"}}, "tsconfig.json") == [
        ("language", "typescript")
    ]


@pytest.mark.parametrize(
    ("version", "runtime"), [("20", "node20"), (">=18.3", "node18"), ("^22.1 || 24", "node22")]
)
def test_the_engine_gives_the_runtimes_major_version(
    plant: Plant, version: str, runtime: str
) -> None:
    assert of_package(plant, {"engines": {"node": version}}) == [("runtime", runtime)]


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        "text",
        {"dependencies": ["next"]},
        {"dependencies": None},
        {"engines": "20"},
        {"engines": {"node": 20}},
        {"engines": {"node": "lts"}},
    ],
)
def test_an_odd_manifest_gives_no_tags(plant: Plant, manifest: object) -> None:
    assert of_package(plant, manifest) == []


@pytest.mark.parametrize("text", ["", "{", '{"name": ', "[" * 100_000])
def test_a_broken_manifest_is_none(plant: Plant, text: str) -> None:
    assert package_manifest(plant({"package.json": text}), LOG) == {}


def test_a_missing_manifest_is_none(plant: Plant) -> None:
    assert package_manifest(plant({}), LOG) == {}


# Tags files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "tags"),
    [
        (
            "tags.yaml",
            "team: web\ntier: 1\nlive: true\n",
            [("team", "web"), ("tier", "1"), ("live", "true")],
        ),
        ("tags.yml", "stack: [vue, vite]\n", [("stack", "vue"), ("stack", "vite")]),
        ("tags.yaml", "team: {value: web}\nx: [{value: 3.10}]\n", [("team", "web"), ("x", "3.10")]),
        ("tags.yaml", "- team:web\n- 'url: http://x'\n- key: a\n  value: b\n", [
            *(("team", "web"), ("url", "http://x"), ("a", "b")),
        ]),
        (
            "tags.json",
            '{\n\t"team": "web",\n\t"stack": ["vue"]\n}',
            [("team", "web"), ("stack", "vue")],
        ),
        ("tags.json", '["team:web", {"key": "a", "value": 1}]', [("team", "web"), ("a", "1")]),
    ],
)  # fmt: skip
def test_a_tags_file_may_be_a_map_or_a_list(
    plant: Plant, name: str, text: str, tags: list[Tag]
) -> None:
    assert file_tags(plant({name: text}), LOG) == tags


def test_the_first_tags_file_is_the_only_one(plant: Plant) -> None:
    tree = plant(
        {"tags.json": '{"from": "json"}', "tags.yml": "from: yml", "tags.yaml": "from: yaml"}
    )
    assert file_tags(tree, LOG) == [("from", "yaml")]


@pytest.mark.parametrize(
    "text",
    [
        *("", "a: [", "text", "5", "? [a]\n: b", "[" * 9_000),
        "- no colon\n- ':x'\n- 'x:'\n- 7",
        "a: null\nb: {c: d}\nc: [[x]]",
    ],
)
def test_what_is_no_tag_is_left_out(plant: Plant, text: str) -> None:
    assert file_tags(plant({"tags.yaml": text}), LOG) == []


def test_yaml_that_would_build_objects_builds_none(plant: Plant, tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert (
        file_tags(plant({"tags.yaml": f"a: !!python/object/apply:os.mkdir ['{made}']"}), LOG) == []
    )
    assert not made.exists()


# README and merging -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# Shop\n\nSells *things*.\nMore.", "Sells *things*."),
        ("\ufeff# Shop\r\n\r\n  Sells things.  \r\n", "Sells things."),
        ("Shop\n====\nSells things.", "Sells things."),
        ("Shop\n----\n\n---\nSells things.", "Sells things."),
        ("# Shop\n## Use\n\n", None),
        ("", None),
        ("x" * 5_000, "x" * 1_000),
    ],
)
def test_the_first_line_that_is_no_heading_describes_the_app(
    plant: Plant, text: str, summary: str | None
) -> None:
    assert readme_summary(plant({"README.md": text})) == summary


def test_tags_merge_in_order_and_the_first_spelling_wins() -> None:
    merged = merge_tags(
        [("Team", "Web")],
        [("team", "WEB"), ("a", "1")],
        [("A", "2"), ("x" * 201, "y"), ("z", "\x00")],
    )
    assert merged == [
        {"key": "Team", "value": "Web"},
        {"key": "a", "value": "1"},
        {"key": "A", "value": "2"},
    ]


@pytest.mark.parametrize(
    ("text", "kept"), [("größe 😀", True), ("", True), ("a\x00", False), ("\ud800", False)]
)
def test_a_text_is_storable_if_every_store_holds_it(text: str, kept: Any) -> None:
    assert is_storable(text) is kept


# The tree's bounds --------------------------------------------------------------------------------


def test_a_link_out_of_the_tree_is_not_read(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root:x:0:0")
    tree = plant({"inner": "inside"})
    (tree.root / "README.md").symlink_to(tmp_path / "secret")
    (tree.root / "up").symlink_to(tmp_path)
    (tree.root / "good").symlink_to("inner")
    (tree.root / "circle").symlink_to("circle")
    assert [tree.text(name) for name in ("README.md", "up/secret", "../secret", "circle")] == [
        None
    ] * 4
    assert tree.text("good") == "inside"
    assert list(tree.walk()) == ["good", "inner"]


@pytest.mark.parametrize(("size", "read"), [(MAX_TEXT_BYTES, True), (MAX_TEXT_BYTES + 1, False)])
def test_a_file_over_the_bound_is_not_read(plant: Plant, size: int, read: Any) -> None:
    assert (plant({"README.md": "x" * size}).text("README.md") is not None) is read


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8"])
def test_a_file_with_a_byte_order_mark_is_read_as_that_says(plant: Plant, encoding: str) -> None:
    tree = plant({})
    text = "größe: 😀"
    content = text.encode(encoding)
    if encoding in {"utf-16-be", "utf-8"}:  # The others write it themselves.
        content = f"\ufeff{text}".encode(encoding)
    (tree.root / "tags.yaml").write_bytes(content)
    assert tree.text("tags.yaml") == text


def test_what_is_no_utf8_is_replaced_and_nul_is_dropped(plant: Plant) -> None:
    assert plant({"a": b"x\xff\x00y"}).text("a") == "x\ufffdy"


def test_nothing_that_steers_a_terminal_is_kept(plant: Plant) -> None:
    tree = plant(
        {
            "README.md": "# \x1b[31mred\n\n\x1b]0;title\x07A \x1b[1mbold\x9b0m shop.\n",
            "de\x1b[31mep/Dockerfile": "FROM scratch\n",
            "tags.json": json.dumps([{"key": "c\x1b[7molour", "value": "\x9b5mred"}]),
            ".env.example": "GOOD=1\nBAD=\x1b[2Jx\n",
        }
    )
    assert readme_summary(tree) == "A bold shop."
    assert merge_tags(file_tags(tree, LOG)) == [{"key": "colour", "value": "red"}]
    assert merge_tags([("\x1b[0m", "empty")]) == []
    assert find_dockerfile(tree, "Dockerfile") is None
    assert launch_env_templates(tree) == [{"key": "GOOD", "value": "1"}]
