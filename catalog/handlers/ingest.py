"""`repository-ingest`: reads a repository and reports on its app (contract, section 9).

First what the files say of the app (tags, Dockerfile, description), then the handler (`execute`).
"""

import logging
import re
from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest
from pathlib import Path
from time import monotonic
from typing import Any

from apphub_jobs.contract import Effect, JobResult, JobRunContext, PermanentError
from catalog.handlers.git import CanceledError, GitError, clone
from catalog.handlers.previews import preview_tiles
from catalog.handlers.untrusted import (
    MAX_TEXT_BYTES,
    ManifestValue,
    Tree,
    first_manifest,
    is_storable,
    one_line,
    printable,
    strip_control_sequences,
)

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
"""A horizontal rule; under a line of text, it makes that a heading."""


def package_manifest(tree: Tree, log: logging.Logger) -> Mapping[str, ManifestValue]:
    """Return package.json's object, `{}` where there is none or it is broken."""
    manifest = first_manifest(tree, ("package.json",), log, MAX_TEXT_BYTES)
    return manifest if isinstance(manifest, dict) else {}


def package_tags(manifest: Mapping[str, ManifestValue], tree: Tree) -> list[Tag]:
    """Return the tags that follow from package.json and tsconfig.json."""
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


def _node_major(engines: ManifestValue) -> str | None:
    versions = engines.get("node") if isinstance(engines, dict) else None
    major = re.search(r"\d+", versions) if isinstance(versions, str) else None
    return None if major is None else major[0]


def file_tags(tree: Tree, log: logging.Logger) -> list[Tag]:
    """Return the tags of the first tags file: a map of key to value, list or {value}; or a list."""
    return [tag for tag in _listed(first_manifest(tree, _TAG_FILES, log)) if all(tag)]


def _listed(content: ManifestValue) -> Iterable[Tag]:
    if isinstance(content, dict):
        for name, value in content.items():
            for part in value if isinstance(value, list) else [value]:
                yield name.strip(), _value(part)
    elif isinstance(content, list):
        for entry in content:
            if isinstance(entry, str):
                key, _, text = entry.partition(":")
                yield key.strip(), text.strip()
            elif isinstance(entry, dict):
                yield _tag_text(entry.get("key")), _value(entry)


def _value(listed: ManifestValue) -> str:
    return _tag_text(listed.get("value") if isinstance(listed, dict) else listed)


def _tag_text(value: ManifestValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def find_dockerfile(tree: Tree, registered_path: str) -> str | None:
    """Return a Dockerfile's path: the app's registered one, a usual one, or the first in the tree.

    Names are compared ignoring case; the path is spelled as in the tree.
    """
    for candidate in (registered_path, *_USUAL_DOCKERFILES):
        path = tree.find_ignoring_case(candidate)
        if path is not None and is_storable(path):
            return path
    for path in tree.walk():
        if (
            _is_dockerfile(path.rpartition("/")[2])
            and is_storable(path)
            and strip_control_sequences(path) == path
        ):
            return path
    return None


def _is_dockerfile(name: str) -> bool:
    lowered = name.lower()
    return (
        lowered in {"dockerfile", "containerfile"}
        or lowered.startswith("dockerfile.")
        or lowered.endswith(".dockerfile")
    )


# No \s: it passes line ends, and from each of many empty lines it would search all the rest.
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S{1,500})", re.IGNORECASE | re.MULTILINE)
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")
_VERSIONED = re.compile(r"(?<![a-z0-9])(?P<name>node|python)(?:js)?v?(?P<version>\d+(?:\.\d+)*)")
"""An interpreter in the tag of an image that is called otherwise, such as `python3.9`."""


def dockerfile_tags(text: str) -> list[Tag]:
    """Return the tags that follow from base images and well-known servers."""
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
        for match in _VERSIONED.finditer(tag):
            tags += _interpreter_tags(match["name"], match["version"])
    # As in `nginx-unprivileged` and `php:8-nginx`.
    if "nginx" in re.split(r"[-_.:]", image):
        tags.append(("runtime", "nginx"))
    return tags


def _interpreter_tags(name: str, version: str | None) -> list[Tag]:
    runtime: list[Tag] = []
    if version:
        runtime.append(("runtime", f"{name}{version.replace('.', '')}"))
    if name == "node":
        return [*runtime, ("language", "javascript")]
    return [("language", "python"), *runtime]


def merge_tags(*sources: Iterable[Tag]) -> list[dict[str, str]]:
    """Return each tag once; the first spelling wins."""
    merged: dict[tuple[str, str], Tag] = {}
    for raw_key, raw_value in chain.from_iterable(sources):
        key = strip_control_sequences(raw_key).strip()
        value = strip_control_sequences(raw_value).strip()
        if not key or not value:
            continue
        if max(len(key), len(value)) > _MAX_TAG_LENGTH or not is_storable(key + value):
            continue
        merged.setdefault((key.casefold(), value.casefold()), (key, value))
    return [{"key": key, "value": value} for key, value in merged.values()]


def readme_summary(tree: Tree) -> str | None:
    """Return README.md's first line that is neither empty nor a heading."""
    lines = strip_control_sequences(tree.text("README.md") or "").splitlines()
    for line, next_line in zip_longest(lines, lines[1:], fillvalue=""):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not _RULE.fullmatch(line) and not _RULE.fullmatch(next_line):
            return text[:1_000]
    return None


NO_DOCKERFILE = "Dockerfile not found, unable to launch app"

MAX_TAGS = 200
"""The most tags of an app, the author's own first. They are kept for ever, and in every list."""


def execute(context: JobRunContext) -> JobResult:
    """Clone the app's repository, and return what its record should say."""
    repository = context.inputs.get("repository")
    if repository is None:
        context.logger.info("the app is gone; nothing to do")
        return JobResult(result={"skipped": True})
    started = monotonic()
    try:
        commit_sha = clone(context, repository["repoUrl"], Path("clone"))
    except CanceledError:
        return JobResult(status="canceled", error_message="canceled while cloning")
    except GitError:
        context.update(metrics=_metrics(repository, "failed", started, None))
        raise
    context.logger.info("at commit %s", commit_sha)
    # At once: however the attempt ends, the app's history can say what was read.
    context.update(metrics=_metrics(repository, "processing", started, commit_sha))
    tree = Tree(Path("clone"))
    dockerfile = find_dockerfile(tree, repository["dockerfilePath"])
    if dockerfile is None:
        context.update(metrics=_metrics(repository, "failed", started, commit_sha))
        raise PermanentError(NO_DOCKERFILE)
    record = _record(context, tree, commit_sha, dockerfile)
    _log(context.logger, record)
    return JobResult(
        result={
            "repositoryId": repository["id"],
            "commitSha": commit_sha,
            "dockerfilePath": dockerfile,
        },
        metrics=_metrics(repository, "ready", started, commit_sha),
        effects=[Effect("repository.ingested", record)],
    )


def _record(context: JobRunContext, tree: Tree, commit_sha: str, dockerfile: str) -> dict[str, Any]:
    """Return the app's record, with metadata from its repository or from its author alone."""
    repository = context.inputs["repository"]
    if repository["metadataStrategy"] == "auto":
        metadata = _read_metadata(repository, tree, dockerfile, context.logger)
    else:
        metadata = {
            "name": repository["name"],
            "description": repository["description"],
            "tags": merge_tags(_authors_tags(repository)),
        }
    return {
        **metadata,
        "commit_sha": commit_sha,
        "dockerfile_path": dockerfile,
        "preview_tiles": preview_tiles(tree, repository["repoUrl"], commit_sha, context.logger),
    }


def _read_metadata(
    repository: Mapping[str, Any], tree: Tree, dockerfile: str, log: logging.Logger
) -> dict[str, Any]:
    """Return name, description and tags as the repository says; the author's tags come first."""
    manifest = package_manifest(tree, log)
    merged = merge_tags(
        _authors_tags(repository),
        package_tags(manifest, tree),
        file_tags(tree, log),
        dockerfile_tags(tree.text(dockerfile) or ""),
    )
    if len(merged) > MAX_TAGS:
        log.warning("%d of %d tags are left out", len(merged) - MAX_TAGS, len(merged))
    return {
        "name": _package_name(manifest) or repository["name"],
        "description": readme_summary(tree) or repository["description"],
        "tags": merged[:MAX_TAGS],
    }


def _authors_tags(repository: Mapping[str, Any]) -> list[Tag]:
    return [(tag["key"], tag["value"]) for tag in repository["authorTags"]]


def _package_name(manifest: Mapping[str, Any]) -> str | None:
    name = manifest.get("name")
    return one_line(name, 200) if isinstance(name, str) else None


def _log(log: logging.Logger, record: Mapping[str, Any]) -> None:
    for field in ("name", "description", "dockerfile_path"):
        log.info("%s: %s", field.replace("_", " "), printable(record[field]))
    tags = ", ".join("{key}:{value}".format_map(tag) for tag in record["tags"])
    log.info("tags: %s", printable(tags, 1_000) or "none")
    log.info("preview tiles: %d", len(record["preview_tiles"]))


def _metrics(
    repository: Any, status: str, started: float, commit_sha: str | None
) -> dict[str, Any]:
    return {
        "repositoryId": repository["id"],
        "status": status,
        "durationMs": int((monotonic() - started) * 1000),
        "commitSha": commit_sha,
    }
