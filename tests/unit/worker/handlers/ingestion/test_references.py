"""What references become: raw-content URLs, data URLs, or nothing."""

import base64
from pathlib import Path

import pytest

from catalog.handlers.previews import (
    MAX_INLINE_BYTES,
    References,
    ReferenceUnusableError,
    absolute_url,
    image_type,
    raw_base,
)
from catalog.handlers.untrusted import Tree

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("repo_url", "base"),
    [
        ("https://github.com/anna/shop", "https://raw.githubusercontent.com/anna/shop/c0ffee/"),
        ("https://github.com/anna/shop.git", "https://raw.githubusercontent.com/anna/shop/c0ffee/"),
        (
            "https://GitHub.com/anna/shop.git/",
            "https://raw.githubusercontent.com/anna/shop/c0ffee/",
        ),
        ("https://token@www.github.com:443/anna/shop", None),
        (
            "https://token@www.github.com/anna/shop",
            "https://raw.githubusercontent.com/anna/shop/c0ffee/",
        ),
        ("git://github.com/anna/shop.git", "https://raw.githubusercontent.com/anna/shop/c0ffee/"),
        (
            "ssh://git@github.com/anna/shop.git",
            "https://raw.githubusercontent.com/anna/shop/c0ffee/",
        ),
        (
            "ssh://git@ssh.github.com:443/anna/shop.git",
            "https://raw.githubusercontent.com/anna/shop/c0ffee/",
        ),
        (
            "https://gitlab.com/group/sub/shop.git",
            "https://gitlab.com/group/sub/shop/-/raw/c0ffee/",
        ),
        (
            "ssh://git@altssh.gitlab.com:443/anna/shop.git",
            "https://gitlab.com/anna/shop/-/raw/c0ffee/",
        ),
        ("https://bitbucket.org/anna/shop", "https://bitbucket.org/anna/shop/raw/c0ffee/"),
        ("ssh://git@bitbucket.org/anna/shop.git", "https://bitbucket.org/anna/shop/raw/c0ffee/"),
        (
            "https://github.com/anna/with%20space",
            "https://raw.githubusercontent.com/anna/with%20space/c0ffee/",
        ),
        ("https://github.com/", None),
        ("https://github.com.example.org/anna/shop", None),
        ("https://notgithub.com/anna/shop", None),
        ("https://gitlab.example.org/anna/shop", None),
        ("http://github.com:8080/anna/shop", None),
        ("/github.com/anna/shop", None),
        ("file:///github.com/anna/shop", None),
        ("http://[", None),
    ],
)
def test_the_three_big_hosts_show_a_commit_s_files(repo_url: str, base: str | None) -> None:
    assert raw_base(repo_url, "c0ffee") == base


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("https://example.org/a.png", "https://example.org/a.png"),
        ("HTTP://example.org/a b".replace(" ", "%20"), "HTTP://example.org/a%20b"),
        ("//example.org/a.png", "https://example.org/a.png"),
        ("https://anna:s3cret@example.org/a.png", "https://example.org/a.png"),
        ("https://example.org/größe.png?x=1#y", "https://example.org/größe.png?x=1#y"),
    ],
)
def test_absolute_references_stay(tmp_path: Path, reference: str, url: str) -> None:
    assert References(Tree(tmp_path), "/srv/git/shop", "c0ffee").media(reference) == url
    assert absolute_url(reference) == url


@pytest.mark.parametrize(
    "reference",
    [
        "javascript:alert(1)",
        "JavaScript://example.org/%0aalert(1)",
        "java\nscript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>",
        "data:image/png;base64,iVBORw0KGgo=",
        "file:///etc/passwd",
        "blob:x",
        "ftp://x/y",
        "https:",
        "https://",
        "https:///a.png",
        "https:a.png",
        "//",
        "///a.png",
        "http://[",
        "https://x/\x00",
        "c:\\a",
        "https://example.org/a b.png",
        "https://example.org/\na",
        "https://example.org/" + "x" * 2_000,
        "",
        ".",
        "#part",
        "?query",
        "none.png",
        "../outside.png",
        "/../outside.png",
        "up/outside.png",
        "docs",
        ".git/own.png",
        "a\x00b.png",
        "x" * 5_000,
        "%00.png",
        "%2e%2e/outside.png",
        "\ud800.png",
    ],
)
@pytest.mark.parametrize("repo_url", ["/srv/git/shop", "https://github.com/anna/shop"])
def test_all_else_leads_nowhere(tmp_path: Path, reference: str, repo_url: str) -> None:
    root = tmp_path / "clone"
    (root / "docs").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git" / "own.png").write_bytes(PNG)
    (tmp_path / "outside.png").write_bytes(PNG)
    (root / "up").symlink_to("..")
    with pytest.raises(ReferenceUnusableError):
        References(Tree(root), repo_url, "c0ffee").media(reference)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Give a tree with an image in three places."""
    for name in ("shot.png", "docs/a b.png", "docs/100%.png", ".apphub/own.png", "größe.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PNG + name.encode())
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("shot.png", "shot.png"),
        ("./shot.png", "shot.png"),
        ("/shot.png", "shot.png"),
        ("docs/../shot.png", "shot.png"),
        ("shot.png?raw=true#x", "shot.png"),
        ("docs/a%20b.png", "docs/a%20b.png"),
        ("docs/a b.png", "docs/a%20b.png"),
        ("docs/100%.png", "docs/100%25.png"),
        ("own.png", ".apphub/own.png"),
        ("../shot.png", "shot.png"),
        ("größe.png", "gr%C3%B6%C3%9Fe.png"),
    ],
)
def test_a_file_is_shown_by_its_code_host(tree: Tree, reference: str, path: str) -> None:
    references = References(tree, "https://gitlab.com/anna/shop", "c0ffee")
    assert (
        references.media(reference, ".apphub")
        == f"https://gitlab.com/anna/shop/-/raw/c0ffee/{path}"
    )


def test_elsewhere_an_image_becomes_a_data_url(tree: Tree) -> None:
    references = References(tree, "https://git.example.org/anna/shop", "c0ffee")
    kind, _, content = references.media("docs/a%20b.png").partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == PNG + b"docs/a b.png"


@pytest.mark.parametrize(
    ("size", "kept"), [(MAX_INLINE_BYTES, True), (MAX_INLINE_BYTES + 1, False)]
)
def test_an_image_over_the_bound_leads_nowhere(tree: Tree, size: int, kept: object) -> None:
    (tree.root / "large.png").write_bytes(PNG.ljust(size))
    references = References(tree, "/srv/git/shop", "c0ffee")
    if kept:
        assert len(references.media("large.png")) > size
    else:
        with pytest.raises(ReferenceUnusableError, match="larger than 1500000 bytes"):
            references.media("large.png")


@pytest.mark.parametrize(
    ("path", "content", "media_type"),
    [
        ("a", PNG, "image/png"),
        ("a.png", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a", b"GIF87a", "image/gif"),
        ("a", b"GIF89a", "image/gif"),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a", b"RIFF\0\0\0\0WAVEfmt ", None),
        ("a", b"\0\0\0\x20ftypavif", "image/avif"),
        ("a", b"\0\0\0\x20ftypisom", None),
        ("a.svg", b"<svg xmlns='x'/>", "image/svg+xml"),
        ("a.SVG", "\ufeff\n<?xml version='1.0'?><!-- x --><svg/>".encode(), "image/svg+xml"),
        ("a.html", b"<html><svg/></html>", None),
        ("a.svg", b"version https://git-lfs.github.com/spec/v1", None),
        ("a.png", b"version https://git-lfs.github.com/spec/v1", None),
        ("a.png", b"", None),
        ("a.mp4", b"\0\0\0\x20ftypmp42", None),
    ],
)
def test_the_content_tells_the_kind_of_an_image(
    path: str, content: bytes, media_type: str | None
) -> None:
    assert image_type(path, content) == media_type
