"""Preview tiles: what an app shows of itself in a catalog (contract, section 9).

They come from a manifest first and then from the README's images. A tile is `{kind, title,
description, src, embedUrl, posterUrl, width, height, sortOrder, source}`, null where the author
says nothing.
"""

import json
import logging
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from apphub_jobs.contract import Json
from worker.handlers.ingestion.picture_ranks import ranked
from worker.handlers.ingestion.readme_images import images
from worker.handlers.ingestion.references import References, ReferenceUnusableError
from worker.handlers.untrusted.manifests import Plain, first_manifest
from worker.handlers.untrusted.texts import one_line, shown
from worker.handlers.untrusted.tree import Tree

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
            log.info(
                "preview %s is left out: %s",
                shown(preview.embed or preview.src, 100),
                error,
            )
            continue
        size = len(json.dumps(tile))
        address = _address(tile)
        if address in tiles:
            continue
        if total + size > MAX_TOTAL_BYTES:
            log.info(
                "preview %s is left out: all together take too much",
                shown(preview.src, 100),
            )
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


def _tile(
    preview: Preview, references: References, log: logging.Logger
) -> dict[str, Json]:
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
