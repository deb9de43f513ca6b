"""What a repository's files say of its app: tags, Dockerfile, description (contract, section 9)."""

import logging
import re
from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest

from worker.handlers.untrusted.manifests import Plain, first_manifest
from worker.handlers.untrusted.texts import plain, storable
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

_RULE = re.compile(r"\s*(=+|-+)\s*")
"""A line across; under a text, it makes that a heading."""


def package_manifest(tree: Tree, log: logging.Logger) -> Mapping[str, Plain]:
    """Return package.json's object, `{}` where there is none or it is broken."""
    manifest = first_manifest(tree, ("package.json",), log, MAX_TEXT_BYTES)
    if not isinstance(manifest, dict):
        return {}
    return manifest


def package_tags(manifest: Mapping[str, Plain], tree: Tree) -> list[Tag]:
    """Return the tags that package.json and a tsconfig.json speak for."""
    names: set[str] = set()
    for part in ("dependencies", "devDependencies", "peerDependencies"):
        listed = manifest.get(part)
        if isinstance(listed, dict):
            for name in listed:
                names.add(_ALSO_BY_PACKAGE.get(name, name))
    if tree.inside("tsconfig.json"):
        names.add("typescript")
    tags = [tag for name, tag in _DEPENDENCY_TAGS.items() if name in names]
    major = _node_major(manifest.get("engines"))
    if major is not None:
        tags.append(("runtime", f"node{major}"))
    return tags


def _node_major(engines: Plain) -> str | None:
    if not isinstance(engines, dict):
        return None
    wanted = engines.get("node")
    if not isinstance(wanted, str):
        return None
    major = re.search(r"\d+", wanted)
    if major is None:
        return None
    return major[0]


def file_tags(tree: Tree, log: logging.Logger) -> list[Tag]:
    """Return the tags of the first tags file: a map of key to value, list or {value}; or a list."""
    content = first_manifest(tree, _TAG_FILES, log)
    return [tag for tag in _listed(content) if all(tag)]


def _listed(content: Plain) -> Iterable[Tag]:
    if isinstance(content, dict):
        yield from _mapped(content)
    elif isinstance(content, list):
        for entry in content:
            if isinstance(entry, str):
                key, _, text = entry.partition(":")
                yield key.strip(), text.strip()
            elif isinstance(entry, dict):
                key = _plain(entry.get("key"))
                yield key, _value(entry)


def _mapped(content: Mapping[str, Plain]) -> Iterable[Tag]:
    for name, value in content.items():
        key = name.strip()
        values = [value]
        if isinstance(value, list):
            values = value
        for one in values:
            yield key, _value(one)


def _value(listed: Plain) -> str:
    if isinstance(listed, dict):
        listed = listed.get("value")
    return _plain(listed)


def _plain(value: Plain) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def find_dockerfile(tree: Tree, own: str) -> str | None:
    """Return a Dockerfile's path: the app's own, a usual one, or the first that is found.

    Names are compared ignoring case; the path is spelled as in the tree.
    """
    for usual in (own, *_USUAL_DOCKERFILES):
        found = tree.spelled(usual)
        if found is not None and storable(found):
            return found
    for path in tree.walk():
        _, _, name = path.rpartition("/")
        if _is_dockerfile(name) and storable(path) and plain(path) == path:
            return path
    return None


def _is_dockerfile(name: str) -> bool:
    lowered = name.lower()
    if lowered in {"dockerfile", "containerfile"}:
        return True
    return lowered.startswith("dockerfile.") or lowered.endswith(".dockerfile")


# No \s: it passes line ends, and from each of many empty lines it would search all the rest.
_FROM = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S{1,500})", re.IGNORECASE | re.MULTILINE
)
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")
_VERSIONED = re.compile(
    r"(?<![a-z0-9])(?P<name>node|python)(?:js)?v?(?P<version>\d+(?:\.\d+)*)"
)
"""An interpreter in the tag of an image that is called otherwise, such as `python3.9`."""


def dockerfile_tags(text: str) -> list[Tag]:
    """Return the tags that base images and well-known servers speak for."""
    tags: list[Tag] = []
    for base in _FROM.findall(text):
        tags += _image_tags(base)
    lowered = text.lower()
    if "streamlit" in lowered:
        tags.append(("framework", "streamlit"))
    if "uvicorn" in lowered:
        tags.append(("framework", "fastapi"))
    return tags


def _image_tags(base: str) -> list[Tag]:
    reference, _, _ = base.lower().strip("\"'").partition("@")
    _, _, image = reference.rpartition("/")
    name, _, tag = image.partition(":")
    tags: list[Tag] = []
    if name in {"node", "python"}:
        version = _VERSION.match(tag)
        tags += _interpreter_tags(name, version[1] if version else None)
    else:
        for found in _VERSIONED.finditer(tag):
            tags += _interpreter_tags(found["name"], found["version"])
    # As in `nginx-unprivileged` and `php:8-nginx`.
    if "nginx" in re.split(r"[-_.:]", image):
        tags.append(("runtime", "nginx"))
    return tags


def _interpreter_tags(name: str, version: str | None) -> list[Tag]:
    runtime: list[Tag] = []
    if version:
        digits = version.replace(".", "")
        runtime.append(("runtime", f"{name}{digits}"))
    if name == "node":
        return [*runtime, ("language", "javascript")]
    return [("language", "python"), *runtime]


def merge_tags(*sources: Iterable[Tag]) -> list[dict[str, str]]:
    """Return each tag once; the first spelling wins."""
    merged: dict[tuple[str, str], Tag] = {}
    for given_key, given_value in chain.from_iterable(sources):
        key = plain(given_key).strip()
        value = plain(given_value).strip()
        if not key or not value:
            continue
        longest = max(len(key), len(value))
        if longest > _MAX_TAG_LENGTH or not storable(key + value):
            continue
        spelled_anyhow = (key.casefold(), value.casefold())
        merged.setdefault(spelled_anyhow, (key, value))
    return [{"key": key, "value": value} for key, value in merged.values()]


def readme_summary(tree: Tree) -> str | None:
    """Return README.md's first line that is neither empty nor a heading."""
    readme = plain(tree.text("README.md") or "")
    lines = readme.splitlines()
    following = lines[1:]
    for line, next_line in zip_longest(lines, following, fillvalue=""):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        is_rule = _RULE.fullmatch(line)
        is_heading = _RULE.fullmatch(next_line)
        if not is_rule and not is_heading:
            return text[:1_000]
    return None
