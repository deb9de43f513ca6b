"""Preview tiles from a manifest, then the README: six at most, bounded (contract, section 9)."""

from typing import Any

import pytest

from catalog.handlers.previews import FROM_MANIFEST, FROM_README, MANIFESTS
from tests.unit.worker.handlers.ingestion.tiles import PNG, Tiles

RAW = "https://raw.githubusercontent.com/anna/shop/c0ffee/"

TILE = {
    "kind": "image",
    "title": None,
    "description": None,
    "src": None,
    "embedUrl": None,
    "posterUrl": None,
    "width": None,
    "height": None,
    "sortOrder": 0,
    "source": FROM_MANIFEST,
}


def addresses(tiles: list[dict[str, Any]]) -> list[str]:
    return [tile["embedUrl"] or tile["src"] for tile in tiles]


# Where they come from -----------------------------------------------------------------------------


def test_there_are_nine_places_for_a_manifest() -> None:
    assert (
        *(".apphub/previews.json", ".apphub/previews.yaml", ".apphub/previews.yml"),
        *("apphub.previews.json", "apphub.previews.yaml", "apphub.previews.yml"),
        *("previews.json", "previews.yaml", "previews.yml"),
    ) == MANIFESTS


@pytest.mark.parametrize("rank", range(len(MANIFESTS)))
def test_the_first_manifest_is_the_only_one(tiles_of: Tiles, rank: int) -> None:
    files = {name: [f"https://example.org/{number}.png"] for number, name in enumerate(MANIFESTS)}
    tiles = tiles_of(dict(list(files.items())[rank:]))
    assert tiles == [{**TILE, "src": f"https://example.org/{rank}.png"}]


@pytest.mark.parametrize("key", ["tiles", "previews", "items", "cards"])
def test_entries_stand_under_one_of_four_names(tiles_of: Tiles, key: str) -> None:
    entries = [{"src": "https://example.org/a.png"}]
    assert addresses(tiles_of({"previews.json": {"x": [], key: entries}})) == [
        "https://example.org/a.png"
    ]


def test_yaml_says_the_same_as_json(tiles_of: Tiles) -> None:
    text = (
        "tiles:\n- kind: video\n  src: https://example.org/a.mp4\n  title: A\n"
        "  width: 640\n  order: 2\n- b.png\n"
    )
    tiles = tiles_of({"previews.yaml": text, "b.png": PNG})
    assert tiles == [
        {**TILE, "src": f"{RAW}b.png"},
        {
            **TILE,
            "kind": "video",
            "src": "https://example.org/a.mp4",
            "title": "A",
            "width": 640,
            "sortOrder": 1,
        },
    ]


def test_the_readme_s_images_follow_those_of_the_manifest(tiles_of: Tiles) -> None:
    readme = (
        '![Shot](docs/shot.gif "How it looks")\n'
        '<img src="/docs/shot.gif"><img src="b.png" width="60%" height="40">'
    )
    files = {
        "README.md": readme,
        "docs/shot.gif": b"GIF89a",
        "b.png": PNG,
        "previews.json": ["b.png"],
    }
    first, second = tiles_of(files)
    assert first == {**TILE, "src": f"{RAW}b.png"}
    assert second == {
        **TILE,
        "kind": "gif",
        "title": "Shot",
        "description": "How it looks",
        "src": f"{RAW}docs/shot.gif",
        "sortOrder": 1,
        "source": FROM_README,
    }


def test_there_are_six_at_most(tiles_of: Tiles) -> None:
    files = {
        "previews.json": [f"https://example.org/{number}.png" for number in range(4)],
        "README.md": "".join(f"![](https://example.org/{number}.png)\n" for number in range(2, 20)),
    }
    tiles = tiles_of(files)
    assert addresses(tiles) == [f"https://example.org/{number}.png" for number in range(6)]
    assert [tile["sortOrder"] for tile in tiles] == list(range(6))


# What an entry says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "tile"),
    [
        ({"src": "https://x.org/a.gif"}, {"kind": "gif", "src": "https://x.org/a.gif"}),
        ({"url": "https://x.org/a.WEBM?x=1"}, {"kind": "video", "src": "https://x.org/a.WEBM?x=1"}),
        ({"href": "https://x.org/a"}, {"kind": "image", "src": "https://x.org/a"}),
        (
            {"type": "Picture", "src": "https://x.org/a.gif"},
            {"kind": "image", "src": "https://x.org/a.gif"},
        ),
        (
            {"kind": "?", "src": "https://x.org/a.mp4"},
            {"kind": "video", "src": "https://x.org/a.mp4"},
        ),
        ({"embed": "https://x.org/demo"}, {"kind": "embed", "embedUrl": "https://x.org/demo"}),
        (
            {"kind": "embed", "src": "https://x.org/demo"},
            {"kind": "embed", "embedUrl": "https://x.org/demo"},
        ),
        (
            {"kind": "iframe", "iframe": "//x.org/demo"},
            {"kind": "embed", "embedUrl": "https://x.org/demo"},
        ),
        (
            {"kind": "embed", "embedUrl": "https://x.org/demo", "src": "https://x.org/a.png"},
            {"kind": "embed", "embedUrl": "https://x.org/demo", "src": "https://x.org/a.png"},
        ),
        (
            {
                "kind": "storybook",
                "storybookUrl": "https://x.org/book/iframe.html?x",
                "storyId": "a b--c",
            },
            {
                "kind": "storybook",
                "embedUrl": "https://x.org/book/iframe.html?id=a%20b--c&viewMode=story",
            },
        ),
        (
            {
                "kind": "video",
                "src": "https://x.org/a.mp4",
                "poster": "shot.png",
                "width": 640.5,
                "height": "480px",
            },
            {
                "kind": "video",
                "src": "https://x.org/a.mp4",
                "posterUrl": f"{RAW}shot.png",
                "width": 640,
                "height": 480,
            },
        ),
        (
            {
                "src": "shot.png",
                "title": " A\n title ",
                "description": "x" * 2_000,
                "posterUrl": "none.png",
            },
            {"src": f"{RAW}shot.png", "title": "A title", "description": "x" * 1_000},
        ),
        (
            {
                "src": "shot.png",
                "title": "\ud800",
                "description": True,
                "width": -1,
                "height": 10**9,
                "poster": ["x"],
            },
            {"src": f"{RAW}shot.png"},
        ),
        (
            {"src": "shot.png", "title": 3, "description": False},
            {"src": f"{RAW}shot.png", "title": "3"},
        ),
    ],
)
def test_an_entry_becomes_a_tile(
    tiles_of: Tiles, entry: dict[str, Any], tile: dict[str, Any]
) -> None:
    assert tiles_of({"previews.json": [entry], "shot.png": PNG}) == [{**TILE, **tile}]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        [],
        {},
        "",
        {"title": "no address"},
        {"src": ["x.png"]},
        {"src": "none.png"},
        {"src": "javascript:x"},
        {"kind": "embed", "embedUrl": "shot.png"},
        {"kind": "storybook", "storyId": "a"},
        {"kind": "embed"},
        {"embedUrl": "javascript:alert(1)", "src": "shot.png"},
        {"kind": "embed", "src": "data:text/html,x"},
    ],
)
def test_an_entry_that_leads_nowhere_is_left_out(tiles_of: Tiles, entry: Any) -> None:
    files = {"previews.json": [entry, "https://x.org/next.png"], "shot.png": PNG}
    assert addresses(tiles_of(files)) == ["https://x.org/next.png"]


def test_what_is_left_out_is_told(tiles_of: Tiles, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    tiles_of(
        {"previews.json": ["no\x1bne.png", {"src": "https://x.org/a.png", "poster": "none.png"}]}
    )
    assert "preview no\ufffdne.png is left out: no such file in the repository" in caplog.text
    assert "none.png is left out of its preview: no such file in the repository" in caplog.text


@pytest.mark.parametrize(
    "content", ["{", '"text"', "7", "{}", '{"tiles": {}}', '{"tiles": "x"}', "[" * 60_000]
)
def test_a_manifest_without_entries_gives_none(tiles_of: Tiles, content: str) -> None:
    assert tiles_of({"previews.json": content}) == []


def test_only_so_many_entries_are_looked_at(tiles_of: Tiles) -> None:
    assert tiles_of({"previews.json": ["none.png"] * 100 + ["https://x.org/a.png"]}) == []


def test_a_manifest_s_order_counts_before_the_place_in_its_list(tiles_of: Tiles) -> None:
    entries = [{"src": f"https://x.org/{order}", "sortOrder": order} for order in (30, "20", 10)]
    tiles = tiles_of({"previews.json": [*entries, "https://x.org/listed"]})
    assert addresses(tiles) == [f"https://x.org/{name}" for name in ("listed", 10, 20, 30)]
    assert [tile["sortOrder"] for tile in tiles] == [0, 1, 2, 3]
