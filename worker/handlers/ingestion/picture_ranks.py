"""Which of a README's images show the app: screenshots do, badges and icons do not."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from worker.handlers.ingestion.image_sizes import Size
from worker.handlers.ingestion.readme_images import Image

SCREENSHOT = 0
PICTURE = 1
BADGE = 2
"""Ranks; the lowest comes first."""

TINY_PX = 48
"""Of the shorter side: badges have 20 to 35, icons up to 48."""

_SCREENSHOT = re.compile(r"screen[\s_-]?(?:shot|cast|grab|capture)", re.IGNORECASE)

_BADGE_PATH = re.compile(
    r"(?:^|[/._-])badges?(?:[/._-]|$)|status\.svg$|button\.svg$|/build/?status",
    re.IGNORECASE,
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
