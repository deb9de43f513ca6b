"""Preview tiles: what an app shows of itself in a catalog (contract, section 9).

They come from a manifest first and then from the README's images. A tile is `{kind, title,
description, src, embedUrl, posterUrl, width, height, sortOrder, source}`, null where the author
says nothing.

First sizes of images; then the images of a README, and which of them show the app; then addresses
(`References`); last the tiles (`preview_tiles`).
"""

import base64
import html
import json
import logging
import posixpath
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from urllib.parse import quote, unquote, urlsplit

from apphub_jobs.contract import Json
from catalog.handlers.untrusted import (
    Plain,
    Tree,
    first_manifest,
    one_line,
    redacted,
    shown,
    storable,
)

# The sides of an image, read from the beginning of its file.

HEAD_BYTES = 65_536
"""Of a file. A photo may hold a small copy of itself before it tells its size."""

Size = tuple[int, int]

_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_JPEG = b"\xff\xd8\xff"

_SVG = re.compile(rb"<svg\b[^<>]{0,4000}>", re.IGNORECASE)
_SIDE = rb"\s%s\s{0,5}=\s{0,5}[\"'](\d{1,6})(?:\.\d{1,6})?(?:px)?[\"']"
_WIDTH = re.compile(_SIDE % b"width")
_HEIGHT = re.compile(_SIDE % b"height")

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's segments that tell its size."""


def size_of(head: bytes) -> Size | None:
    """Return width and height in pixels; None where the head does not tell them."""
    try:
        if head.startswith(_PNG):
            return _pair(">II", head, 16)
        if head.startswith(_GIFS):
            return _pair("<HH", head, 6)
        if head.startswith(_JPEG):
            return _of_jpeg(head)
    except (struct.error, IndexError):  # The head ends before that.
        return None
    return _of_svg(head)


def _pair(kind: str, head: bytes, offset: int) -> Size:
    width, height = struct.unpack_from(kind, head, offset)
    return width, height


def _of_jpeg(head: bytes) -> Size | None:
    place = 2
    while head[place : place + 1] == b"\xff":
        marker = head[place + 1]
        if marker in _FRAMES:
            height, width = _pair(">HH", head, place + 5)
            return width, height
        [length] = struct.unpack_from(">H", head, place + 2)
        place += 2 + length
    return None


def _of_svg(head: bytes) -> Size | None:
    tag = _SVG.search(head)
    if tag is None:
        return None
    width = _WIDTH.search(tag.group())
    height = _HEIGHT.search(tag.group())
    if width is None or height is None:
        return None
    return int(width[1]), int(height[1])


# The images of a README in Markdown, in the order of their appearance.
#
# Every pattern is bounded in length, or cannot begin again within what it has passed: reading takes
# a time proportional to the text's length, whatever the text is.

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)[^\n]{1,1000}?(?<!`)\1(?!`)")

_ALT = r"!\[(?P<alt>(?:[^\[\]\\]|\\.|\[[^\[\]]{0,200}\]){0,500})\]"
_BARE = r"(?P<bare>(?:[^\s()<>\\]|\\.|\([^\s()]{0,200}\)){1,2000})"
_TARGET = rf"(?:<(?P<angled>[^<>\n]{{1,2000}})>|{_BARE})"
_TITLE = (
    r"(?:\s{1,10}"
    r"(?:\"(?P<double>[^\"]{0,500})\"|'(?P<single>[^']{0,500})'|\((?P<round>[^()]{0,500})\)))?"
)
_INLINE = re.compile(rf"{_ALT}\(\s{{0,10}}{_TARGET}{_TITLE}\s{{0,10}}\)")
_BY_LABEL = re.compile(rf"{_ALT}(?!\()(?:\[(?P<label>[^\[\]]{{0,200}})\])?")
_DEFINITION = re.compile(
    rf"^ {{0,3}}\[(?P<label>[^\[\]]{{1,200}})\]:[ \t]{{0,10}}{_TARGET}{_TITLE}[ \t]{{0,10}}$",
    re.MULTILINE,
)
_TAG = re.compile(
    r"<img\s(?P<attributes>(?:[^<>\"']|\"[^\"]{0,2000}\"|'[^']{0,2000}'){1,4000})>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s=\"'<>/]{1,100})"
    r"(?:\s{0,5}=\s{0,5}(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'>]+)))?"
)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


@dataclass(frozen=True)
class Image:
    """An image as the author wrote it; texts are empty where absent."""

    src: str
    alt: str = ""
    title: str = ""
    width: str = ""
    height: str = ""


_FIELDS = tuple(field.name for field in fields(Image))


def images(readme: str) -> list[Image]:
    """Return a Markdown text's images: inline, by reference, and `<img>`; not those in code."""
    unfenced = _without_fences(readme)
    uncommented = _COMMENT.sub(" ", unfenced)
    text = _CODE.sub(" ", uncommented)
    definitions: dict[str, re.Match[str]] = {}
    for match in _DEFINITION.finditer(text):  # The first of a label counts.
        label = _label(match["label"])
        definitions.setdefault(label, match)
    found: list[tuple[int, Image]] = []
    found += _inline(text)
    found += _by_label(text, definitions)
    found += _tags(text)
    found.sort(key=_place_of)
    return [image for _, image in found]


def _place_of(found: tuple[int, Image]) -> int:
    place, _ = found
    return place


def _without_fences(text: str) -> str:
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        marks = ""
        if mark is not None:
            marks = mark[1]
        if not fence:
            fence = marks
            if not marks:
                kept.append(line)
        elif marks.startswith(fence) and line.strip() == marks:
            fence = ""
    return "\n".join(kept)


def _inline(text: str) -> Iterator[tuple[int, Image]]:
    for match in _INLINE.finditer(text):
        alt = match["alt"]
        image = _image(alt, match)
        yield match.start(), image


def _by_label(text: str, definitions: dict[str, "re.Match[str]"]) -> Iterator[tuple[int, Image]]:
    for match in _BY_LABEL.finditer(text):
        alt = match["alt"]
        label = _label(match["label"] or alt)
        definition = definitions.get(label)
        if definition is not None:
            image = _image(alt, definition)
            yield match.start(), image


def _image(alt: str, target: "re.Match[str]") -> Image:
    src = target["angled"] or target["bare"]
    title = target["double"] or target["single"] or target["round"] or ""
    return Image(_unescaped(src), _unescaped(alt), _unescaped(title))


def _tags(text: str) -> Iterator[tuple[int, Image]]:
    for match in _TAG.finditer(text):
        attributes = _attributes(match["attributes"])
        if not attributes.get("src"):
            continue
        wanted: dict[str, str] = {}
        for name in _FIELDS:
            value = attributes.get(name, "")
            wanted[name] = value.strip()
        yield match.start(), Image(**wanted)


def _attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):  # The first of a name counts.
        name = match["name"].lower()
        value = match["double"] or match["single"] or match["bare"] or ""
        unescaped = html.unescape(value)
        attributes.setdefault(name, unescaped)
    return attributes


def _label(text: str) -> str:
    words = text.split()
    return " ".join(words).casefold()


def _unescaped(text: str) -> str:
    without_backslashes = _ESCAPED.sub(r"\1", text)
    unescaped = html.unescape(without_backslashes)
    return unescaped.strip()


# Which of a README's images show the app: screenshots do, badges and icons do not.

SCREENSHOT = 0
PICTURE = 1
BADGE = 2
"""Ranks; the lowest comes first."""

TINY_PX = 48
"""Of the shorter side: badges have 20 to 35, icons up to 48."""

_SCREENSHOT = re.compile(r"screen[\s_-]?(?:shot|cast|grab|capture)", re.IGNORECASE)

_BADGE_PATH = re.compile(
    r"(?:^|[/._-])badges?(?:[/._-]|$)|status\.svg$|button\.svg$|/build/?status", re.IGNORECASE
)

_BADGE_HOSTS = frozenset(
    {
        "appveyor.com",
        "badge.fury.io",
        "badgen.net",
        "bestpractices.dev",
        "bors.tech",
        "buymeacoffee.com",
        "circleci.com",
        "cirrus-ci.com",
        "codacy.com",
        "codeclimate.com",
        "codecov.io",
        "colab.research.google.com",
        "coreinfrastructure.org",
        "coveralls.io",
        "david-dm.org",
        "deepsource.com",
        "deepsource.io",
        "depfu.com",
        "deps.rs",
        "discord.com",
        "discordapp.com",
        "forthebadge.com",
        "fossa.com",
        "fossa.io",
        "gitpod.io",
        "godoc.org",
        "goreportcard.com",
        "herokucdn.com",
        "hits.seeyoufarm.com",
        "isitmaintained.com",
        "ko-fi.com",
        "komarev.com",
        "liberapay.com",
        "lgtm.com",
        "mybinder.org",
        "nodei.co",
        "opencollective.com",
        "packagephobia.com",
        "paypalobjects.com",
        "pepy.tech",
        "pugx.org",
        "repology.org",
        "scorecard.dev",
        "scrutinizer-ci.com",
        "securityscorecards.dev",
        "semaphoreci.com",
        "shields.io",
        "snyk.io",
        "sonarcloud.io",
        "styleci.io",
        "travis-ci.com",
        "travis-ci.org",
        "visitor-badge.laobi.icu",
        "weblate.org",
    }
)
"""Each with all names below it. What else they serve is no picture of an app either."""


SizeOf = Callable[[str], Size | None]
"""Looks into the file that a reference names, where there is one."""

_Placed = tuple[int, int, Image]
"""An image's rank, its place in the README, and the image."""


def ranked(found: Iterable[Image], size_of: SizeOf, most: int) -> list[Image]:
    """Return the images by rank, else in their order; no more than `most` files are looked into."""
    placed: list[_Placed] = []
    for place, image in enumerate(found):
        rank = _told_rank(image)
        placed.append((rank, place, image))
    placed.sort(key=_rank_and_place)
    seen: list[_Placed] = []
    for rank, place, image in placed[:most]:
        size = size_of(image.src)
        seen_rank = rank
        if _is_tiny(size):
            seen_rank = BADGE
        seen.append((seen_rank, place, image))
    seen.sort(key=_rank_and_place)
    return [image for _, _, image in seen]


def _rank_and_place(placed: _Placed) -> tuple[int, int]:
    rank, place, _ = placed
    return rank, place


def _told_rank(image: Image) -> int:
    """Return an image's rank by what the README says of it."""
    if _is_badge(image.src) or _is_shown_tiny(image):
        return BADGE
    words = f"{image.alt} {image.title} {image.src}"
    if _SCREENSHOT.search(words):
        return SCREENSHOT
    return PICTURE


def _is_tiny(size: Size | None) -> bool:
    return size is not None and min(size) <= TINY_PX


def _is_shown_tiny(image: Image) -> bool:
    for given in (image.width, image.height):
        side_px = _pixels(given)
        if side_px is not None and side_px <= TINY_PX:
            return True
    return False


def _pixels(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,6})(?:px)?", text)
    if match is None:
        return None
    return int(match[1])


def _is_badge(src: str) -> bool:
    try:
        parts = urlsplit(src)
    except ValueError:
        return False
    host = parts.hostname or ""
    labels = host.split(".")
    starts = range(len(labels))
    names = [".".join(labels[start:]) for start in starts]
    if not _BADGE_HOSTS.isdisjoint(names):
        return True
    return _BADGE_PATH.search(parts.path) is not None


# An author's reference to a picture or page becomes an address for any browser, or nothing.
#
# Only http: and https: lead out of a repository. A file of the repository is shown by its code
# host, where that is one of the three big ones, or else becomes part of the app's record as a
# `data:` URL.

MAX_URL = 2_000

MAX_INLINE_BYTES = 1_500_000
"""Of an image that becomes a `data:` URL (contract, section 9)."""

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")

_HOSTS = {  # By the names under which a repository may be reached.
    "github.com": "https://raw.githubusercontent.com/{repository}/{commit}/",
    "ssh.github.com": "https://raw.githubusercontent.com/{repository}/{commit}/",
    "gitlab.com": "https://gitlab.com/{repository}/-/raw/{commit}/",
    "altssh.gitlab.com": "https://gitlab.com/{repository}/-/raw/{commit}/",
    "bitbucket.org": "https://bitbucket.org/{repository}/raw/{commit}/",
    "altssh.bitbucket.org": "https://bitbucket.org/{repository}/raw/{commit}/",
}

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class ReferenceUnusableError(ValueError):
    """The reference leads nowhere; the message tells why."""


class References:
    """Resolves the references of one clone."""

    def __init__(self, tree: Tree, repo_url: str, commit_sha: str) -> None:
        self._tree = tree
        self._raw_base = raw_base(repo_url, commit_sha)

    def page(self, reference: str) -> str:
        """Return the address of a page, which must be an absolute one.

        Raises:
            ReferenceUnusableError: it is not.
        """
        return absolute(reference)

    def media(self, reference: str, base: str = "") -> str:
        """Return the address of an image or video.

        Args:
            reference: absolute, or relative to the repository's root or else to `base`.
            base: the directory of the file that it stands in.

        Raises:
            ReferenceUnusableError: it is neither an http(s) URL nor an existing file that can be
                shown.
        """
        if _leads_out(reference):
            return absolute(reference)
        path = self._existing(reference, base)
        if self._raw_base is None:
            return self._inlined(path)
        return self._raw_base + quote(path)

    def size(self, reference: str) -> Size | None:
        """Return the sides of an image of the repository; None where nothing tells them."""
        if _leads_out(reference):
            return None
        try:
            path = self._existing(reference, "")
        except ReferenceUnusableError:
            return None
        head = self._tree.head(path, HEAD_BYTES)
        return size_of(head)

    def _existing(self, reference: str, base: str) -> str:
        """Return the path of the file in the repository that is meant."""
        without_query, *_ = re.split(r"[?#]", reference, maxsplit=1)
        unquoted = unquote(without_query)
        for spelled in (unquoted, reference):
            below = spelled.lstrip("/")
            for start in ("", base):
                joined = posixpath.join(start, below)
                path = posixpath.normpath(joined)
                if self._is_shown(path):
                    return path
        raise ReferenceUnusableError("no such file in the repository")

    def _is_shown(self, path: str) -> bool:
        if path.startswith("../") or not storable(path):
            return False
        return self._tree.inside(path) is not None

    def _inlined(self, path: str) -> str:
        content = self._tree.content(path, MAX_INLINE_BYTES)
        if content is None:
            raise ReferenceUnusableError(f"larger than {MAX_INLINE_BYTES} bytes")
        media_type = image_type(path, content)
        if media_type is None:
            raise ReferenceUnusableError("no image of a known kind")
        encoded = base64.b64encode(content)
        text = encoded.decode()
        return f"data:{media_type};base64,{text}"


def _leads_out(reference: str) -> bool:
    return reference.startswith("//") or _SCHEME.match(reference) is not None


def absolute(reference: str) -> str:
    """Return an http(s) URL without user and password; one without a scheme gets https.

    Raises:
        ReferenceUnusableError: it is none.
    """
    url = reference
    if reference.startswith("//"):
        url = f"https:{reference}"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ReferenceUnusableError("no URL") from None
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not is_web or not _is_plain(url):
        raise ReferenceUnusableError("no http: or https: URL")
    if len(url) > MAX_URL:
        raise ReferenceUnusableError(f"longer than {MAX_URL} characters")
    return redacted(url)


def _is_plain(url: str) -> bool:
    # A browser passes over spaces and control characters, and so would see another scheme.
    return url.isprintable() and " " not in url


def raw_base(repo_url: str, commit_sha: str) -> str | None:
    """Return the address below which the code host shows a commit's files.

    Returns:
        None if it is none of the big three.
    """
    try:
        parts = urlsplit(repo_url)
        usual_port = parts.scheme == "ssh" or parts.port is None
    except ValueError:
        return None
    host = parts.hostname or ""
    name = host.removeprefix("www.")
    template = _HOSTS.get(name)
    if template is None or not usual_port:
        return None
    path = unquote(parts.path).strip("/")
    repository = path.removesuffix(".git")
    if "/" not in repository:
        return None
    return template.format(repository=quote(repository), commit=commit_sha)


def image_type(path: str, content: bytes) -> str | None:
    """Return the media type that the content shows, None if it is no image that browsers know."""
    for signature, media_type in _SIGNATURES.items():
        if content.startswith(signature):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:12] in {b"ftypavif", b"ftypavis"}:
        return "image/avif"
    if path.lower().endswith(".svg") and _looks_like_svg(content):
        return "image/svg+xml"
    return None


def _looks_like_svg(content: bytes) -> bool:
    head = content[:4_096]
    text = head.decode("utf-8-sig", "replace")
    start = text.lstrip()
    return start.startswith("<") and "<svg" in start


MAX_TILES = 6

MAX_TOTAL_BYTES = 4_194_304
"""Of all tiles together as JSON: two images of the largest size. An attempt's whole result must
stay below eight megabytes, and it is kept for ever, and sent to every client that watches."""

MAX_CANDIDATES = 100
"""Of each source; each may cost the reading of a file."""

FROM_MANIFEST = "ingestion:previews-manifest"
FROM_README = "ingestion:readme"

MANIFESTS = tuple(
    f"{stem}.{ending}"
    for stem in (".apphub/previews", "apphub.previews", "previews")
    for ending in ("json", "yaml", "yml")
)

_LISTS = ("tiles", "previews", "items", "cards")
_PAGES = frozenset({"storybook", "embed"})
_KINDS = {
    "image": "image",
    "picture": "image",
    "gif": "gif",
    "video": "video",
    "storybook": "storybook",
    "embed": "embed",
    "iframe": "embed",
    "external": "embed",
}
_VIDEOS = (".mp4", ".webm", ".mov", ".m4v", ".ogv")

_NUMBER = re.compile(r"(-?\d{1,6})(?:\.\d{1,6})?(?:px)?")
_MAX_SIDE = 20_000


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an author wrote about one tile; "" where nothing. `order` sorts a manifest's tiles."""

    source: str
    base: str = ""
    kind: str = ""
    title: str = ""
    description: str = ""
    src: str = ""
    embed: str = ""
    poster: str = ""
    width: str = ""
    height: str = ""
    order: int = 0


def preview_tiles(
    tree: Tree, repo_url: str, commit_sha: str, log: logging.Logger
) -> list[dict[str, Json]]:
    """Return the app's tiles: six at most, without repeats, and within a total size.

    The log tells what is left out.
    """
    references = References(tree, repo_url, commit_sha)
    tiles: dict[str, dict[str, Json]] = {}
    total = 0
    for preview in (*_of_manifest(tree, log), *_of_readme(tree, references)):
        if len(tiles) == MAX_TILES:
            break
        try:
            tile = _tile(preview, references, log)
        except ReferenceUnusableError as error:
            log.info("preview %s is left out: %s", shown(preview.embed or preview.src, 100), error)
            continue
        size = len(json.dumps(tile))
        address = _address(tile)
        if address in tiles:
            continue
        if total + size > MAX_TOTAL_BYTES:
            log.info("preview %s is left out: all together take too much", shown(preview.src, 100))
            continue
        tiles[address] = {**tile, "sortOrder": len(tiles)}
        total += size
    return list(tiles.values())


def _of_manifest(tree: Tree, log: logging.Logger) -> Iterator[Preview]:
    """Yield what the first manifest lists, by `order`, where given, or else as listed."""
    existing = [name for name in MANIFESTS if tree.inside(name)]
    if not existing:
        return
    name = existing[0]
    manifest = first_manifest(tree, (name,), log)
    entries = _entries(manifest)
    base = posixpath.dirname(name)
    previews: list[Preview] = []
    for place, entry in enumerate(entries[:MAX_CANDIDATES]):
        preview = _listed(entry, base, place)
        if preview is not None:
            previews.append(preview)
    yield from sorted(previews, key=lambda preview: preview.order)


def _entries(content: Plain) -> list[Plain]:
    """Return the list that a manifest is, or has under one of the usual names."""
    if isinstance(content, list):
        return content
    if isinstance(content, dict):
        for name in _LISTS:
            part = content.get(name)
            if isinstance(part, list):
                return part
    return []


def _listed(entry: Plain, base: str, place: int) -> Preview | None:
    """Return what a manifest's entry says: an object, or just an address."""
    if isinstance(entry, str):
        return Preview(source=FROM_MANIFEST, base=base, src=entry.strip(), order=place)
    if not isinstance(entry, dict):
        return None
    kind = _said(entry, "kind", "type").lower()
    order = _number(_said(entry, "sortOrder", "order"))
    if order is None:
        order = place
    return Preview(
        source=FROM_MANIFEST,
        base=base,
        kind=_KINDS.get(kind, ""),
        title=_said(entry, "title"),
        description=_said(entry, "description"),
        src=_said(entry, "src", "url", "href"),
        embed=_said(entry, "embedUrl", "embed", "iframe") or _story(entry),
        poster=_said(entry, "posterUrl", "poster"),
        width=_said(entry, "width"),
        height=_said(entry, "height"),
        order=order,
    )


def _said(entry: Mapping[str, Plain], *names: str) -> str:
    """Return the first of these fields that says something; numbers as texts."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        text = str(value).strip()
        if text:
            return text
    return ""


def _story(entry: Mapping[str, Plain]) -> str:
    """Return the address of one story of a storybook, as storybooks spell it."""
    book = _said(entry, "storybookUrl", "baseUrl")
    story = _said(entry, "storyId", "story")
    if not book or not story:
        return ""
    root, _, _ = book.partition("/iframe.html")
    return f"{root.rstrip('/')}/iframe.html?id={quote(story, safe='')}&viewMode=story"


def _of_readme(tree: Tree, references: References) -> Iterator[Preview]:
    """Yield the README's images: screenshots first, badges and icons last, else as they stand."""
    readme = tree.text("README.md") or ""
    for image in ranked(images(readme), references.size, MAX_CANDIDATES):
        title = image.title
        description = ""
        if image.alt:
            title = image.alt
            description = image.title
        yield Preview(
            source=FROM_README,
            title=title,
            description=description,
            src=image.src,
            width=image.width,
            height=image.height,
        )


def _tile(preview: Preview, references: References, log: logging.Logger) -> dict[str, Json]:
    """Return the tile, but for its place in line.

    Raises:
        ReferenceUnusableError: what it should show leads nowhere.
    """
    kind = preview.kind or _kind_of(preview)
    src: str | None = None
    embed_url: str | None = None
    if kind in _PAGES:
        embed_url = references.page(preview.embed or preview.src)
        if preview.embed:
            src = _optional(preview.src, preview, references, log)
    else:
        src = references.media(preview.src, preview.base)
        if preview.embed:
            embed_url = references.page(preview.embed)
    return {
        "kind": kind,
        "title": one_line(preview.title, 200),
        "description": one_line(preview.description, 1_000),
        "src": src,
        "embedUrl": embed_url,
        "posterUrl": _optional(preview.poster, preview, references, log),
        "width": _side(preview.width),
        "height": _side(preview.height),
        "source": preview.source,
    }


def _optional(
    reference: str, preview: Preview, references: References, log: logging.Logger
) -> str | None:
    if not reference:
        return None
    try:
        return references.media(reference, preview.base)
    except ReferenceUnusableError as error:
        log.info("%s is left out of its preview: %s", shown(reference, 100), error)
        return None


def _kind_of(preview: Preview) -> str:
    if preview.embed and not preview.src:
        return "embed"
    without_query, _, _ = preview.src.partition("?")
    path, _, _ = without_query.partition("#")
    _, ending = posixpath.splitext(path.lower())
    if ending == ".gif":
        return "gif"
    if ending in _VIDEOS:
        return "video"
    return "image"


def _address(tile: Mapping[str, Json]) -> str:
    return str(tile["embedUrl"] or tile["src"])


def _side(text: str) -> int | None:
    pixels = _number(text)
    if pixels is None or not 0 < pixels <= _MAX_SIDE:
        return None
    return pixels


def _number(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return int(match[1])
