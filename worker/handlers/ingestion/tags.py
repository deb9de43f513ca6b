"""What a repository's files say of its app: tags, name, Dockerfile, description (contract, section 9)."""

import logging
import re
from collections.abc import Iterable, Mapping
from itertools import zip_longest

from worker.handlers.untrusted.manifests import Plain, first_manifest
from worker.handlers.untrusted.texts import storable
from worker.handlers.untrusted.tree import MAX_TEXT_BYTES, Tree

Tag = tuple[str, str]

_DEPENDENCY_TAGS: dict[str, Tag] = {
    "next": ("framework", "nextjs"),
    "astro": ("framework", "astro"),
    "remix": ("framework", "remix"),
    "react": ("library", "react"),
    "vue": ("framework", "vue"),
    "nuxt": ("framework", "vue"),
    "svelte": ("framework", "svelte"),
    "sveltekit": ("framework", "svelte"),
    "typescript": ("language", "typescript"),
}
_ALSO_BY_PACKAGE = {
    "@remix-run/react": "remix",
    "@remix-run/node": "remix",
    "@sveltejs/kit": "sveltekit",
}

_USUAL_DOCKERFILES = (
    "Dockerfile",
    "docker/Dockerfile",
    "deploy/Dockerfile",
    "ops/Dockerfile",
    "Dockerfile.prod",
    "Dockerfile.release",
    "Containerfile",
)

_TAG_FILES = ("tags.yaml", "tags.yml", "tags.json")

_MAX_TAG_LENGTH = 200


def package_manifest(tree: Tree, log: logging.Logger) -> Mapping[str, Plain]:
    """Return package.json's object, `{}` where there is none or it is broken."""
    manifest = first_manifest(tree, ("package.json",), log, MAX_TEXT_BYTES)
    return manifest if isinstance(manifest, dict) else {}


def package_tags(manifest: Mapping[str, Plain], tree: Tree) -> list[Tag]:
    """Return the tags that package.json and a tsconfig.json speak for."""
    names: set[str] = set()
    for part in ("dependencies", "devDependencies", "peerDependencies"):
        listed = manifest.get(part)
        if isinstance(listed, dict):
            names.update(_ALSO_BY_PACKAGE.get(str(name), str(name)) for name in listed)
    if tree.inside("tsconfig.json"):
        names.add("typescript")
    tags = [tag for name, tag in _DEPENDENCY_TAGS.items() if name in names]
    engines = manifest.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    major = re.search(r"\d+", wanted) if isinstance(wanted, str) else None
    return [*tags, ("runtime", f"node{major.group()}")] if major else tags


def file_tags(tree: Tree, log: logging.Logger) -> list[Tag]:
    """Return the tags of the first tags file: a map key to value, list or {value}; or a list of tags."""
    return [tag for tag in _listed(first_manifest(tree, _TAG_FILES, log)) if all(tag)]


def _listed(content: Plain) -> Iterable[Tag]:
    if isinstance(content, dict):
        for key, value in content.items():
            values = value if isinstance(value, list) else [value]
            for one in values:
                yield key.strip(), _plain(one.get("value") if isinstance(one, dict) else one)
    elif isinstance(content, list):
        for entry in content:
            if isinstance(entry, str):
                key, _, text = entry.partition(":")
                yield key.strip(), text.strip()
            elif isinstance(entry, dict):
                yield _plain(entry.get("key")), _plain(entry.get("value"))


def _plain(value: Plain) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int | float) else ""


def find_dockerfile(tree: Tree, own: str) -> str | None:
    """Return the Dockerfile's path: the app's own, a usual one, or the first that a search finds."""
    for usual in dict.fromkeys((own, *_USUAL_DOCKERFILES)):
        if tree.inside(usual) is not None:
            return usual
    found = (path for path in tree.walk() if _is_dockerfile(path.rpartition("/")[2]))
    return next(filter(storable, found), None)


def _is_dockerfile(name: str) -> bool:
    return (
        name in {"Dockerfile", "Containerfile"}
        or name.startswith("Dockerfile.")
        or name.endswith(".dockerfile")
    )


# No \s, which passes line ends: from each of many empty lines it would look through all that
# follow.
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S{1,500})", re.IGNORECASE | re.MULTILINE)
_IMAGE = re.compile(
    r"^(?:.*/)?(?P<name>[a-z0-9._-]+)(?::v?(?P<version>\d+(?:\.\d+)*)?[^@]*)?(?:@.*)?$",
    re.IGNORECASE,
)


def dockerfile_tags(text: str) -> list[Tag]:
    """Return the tags that base images and well-known servers speak for."""
    tags: list[Tag] = []
    for base in _FROM.findall(text):
        image = _IMAGE.match(base)
        name = image["name"].lower() if image else ""
        version = (image["version"] or "").replace(".", "") if image else ""
        if name == "node":
            tags += (
                [("runtime", f"node{version}"), ("language", "javascript")]
                if version
                else [("language", "javascript")]
            )
        elif name == "python":
            tags += (
                [("language", "python"), ("runtime", f"python{version}")]
                if version
                else [("language", "python")]
            )
        elif name == "nginx":
            tags.append(("runtime", "nginx"))
    lowered = text.lower()
    if "streamlit" in lowered:
        tags.append(("framework", "streamlit"))
    if "uvicorn" in lowered:
        tags.append(("framework", "fastapi"))
    return tags


def merge_tags(*sources: Iterable[Tag]) -> list[dict[str, str]]:
    """Return each tag once; the first spelling wins."""
    merged: dict[tuple[str, str], Tag] = {}
    for key, value in (tag for source in sources for tag in source):
        if len(key) <= _MAX_TAG_LENGTH and len(value) <= _MAX_TAG_LENGTH and storable(key + value):
            merged.setdefault((key.casefold(), value.casefold()), (key, value))
    return [{"key": key, "value": value} for key, value in merged.values()]


def readme_summary(tree: Tree) -> str | None:
    """Return README.md's first line that is neither empty nor a heading."""
    lines = (tree.text("README.md") or "").splitlines()
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        underlined = bool(re.fullmatch(r"\s*(=+|-+)\s*", following)) and bool(line.strip())
        rule = re.fullmatch(r"\s*(=+|-+)\s*", line)
        if line.strip() and not line.lstrip().startswith("#") and not underlined and not rule:
            return line.strip()[:1_000]
    return None
