"""Removes old images from an OCI layout, such as the one that builds of the service fill."""

import fcntl
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from apphub_jobs import JobRunContext, PermanentError, job

REFERENCE = "org.opencontainers.image.ref.name"


class Pruned(BaseModel):
    """What was removed; with `dry_run`, what would be."""

    removed: list[str]
    kept: int
    freed_bytes: int


@job(timeout="30m", concurrency_key="images")
def prune_images(
    context: JobRunContext,
    images: Path,
    keep: Annotated[int, Field(ge=1)] = 3,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - launches name it
) -> Pruned:
    """Keep the newest images of each name, and remove the others with all that is theirs alone.

    Args:
        images: the OCI layout: `images` in the service's data directory.
        keep: how many images of each name stay.
        dry_run: tell what would be removed, and remove nothing.
    """
    if not (images / "index.json").exists():
        raise PermanentError(f"{images} holds no OCI layout")
    with _locked(images):
        index = json.loads((images / "index.json").read_text())
        newest = _newest(index["manifests"], keep)
        removed = [one for one in index["manifests"] if one not in newest]
        needed = {digest for one in newest for digest in _digests(images, one)}
        unused = [blob for blob in _blobs(images) if f"sha256:{blob.name}" not in needed]
        freed_bytes = sum(blob.stat().st_size for blob in unused)
        if not dry_run:
            # First the index, at once: whoever reads it finds all that it names.
            _replace(images / "index.json", {**index, "manifests": newest})
            for blob in unused:
                blob.unlink()
    names = [_reference(one) for one in removed]
    context.logger.info("%d images, %d bytes", len(names), freed_bytes)
    return Pruned(removed=names, kept=len(newest), freed_bytes=freed_bytes)


def _newest(manifests: list[dict[str, Any]], keep: int) -> list[dict[str, Any]]:
    """Return the last `keep` manifests of each name: what was added last stands last."""
    by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for manifest in manifests:
        name, _, _ = _reference(manifest).rpartition(":")
        by_name[name].append(manifest)
    kept = [one for group in by_name.values() for one in group[-keep:]]
    return [manifest for manifest in manifests if manifest in kept]


def _reference(manifest: Mapping[str, Any]) -> str:
    return str(manifest.get("annotations", {}).get(REFERENCE, ""))


def _digests(images: Path, descriptor: Mapping[str, Any]) -> Iterator[str]:
    """Yield the digests of a manifest and of all that it names."""
    yield descriptor["digest"]
    algorithm, _, name = descriptor["digest"].partition(":")
    manifest = json.loads((images / "blobs" / algorithm / name).read_text())
    for one in manifest.get("manifests", []):  # An image for several platforms.
        yield from _digests(images, one)
    for one in (*manifest.get("layers", []), manifest.get("config")):
        if one is not None:
            yield one["digest"]


def _blobs(images: Path) -> list[Path]:
    return sorted((images / "blobs" / "sha256").iterdir())


@contextmanager
def _locked(images: Path) -> Iterator[None]:
    """Hold the lock that the service's builds take before they add an image."""
    with (images / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(file: Path, content: object) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps(content))
    partial.replace(file)
