"""An OCI image layout that several builds write to at a time, and that a killed one leaves whole.

Blobs are named by their content and appear at once; `index.json` is replaced at once, last, under a
lock that the kernel releases with its holder. What a killed build left half written is removed by
the next.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apphub_jobs.contract import JobRunContext
from catalog.handlers.builder import BuildError
from catalog.handlers.origin import CanceledError

REFERENCE = "org.opencontainers.image.ref.name"

POLL_S = 0.1
CHUNK_BYTES = 1_048_576

_PARTIAL = ".partial"

_EMPTY: dict[str, Any] = {"schemaVersion": 2, "manifests": []}


def image_of(layout: Path) -> dict[str, Any]:
    """Return the descriptor of a layout's only image: `mediaType`, `digest`, `size`.

    Raises:
        BuildError: there is not exactly one.
    """
    try:
        index = json.loads((layout / "index.json").read_text())
        (descriptor,) = index["manifests"]
        return {key: descriptor[key] for key in ("mediaType", "digest", "size")}
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(f"the builder wrote no OCI layout of one image: {error!r}") from None


def add_image(context: JobRunContext, source: Path, layout: Path, reference: str) -> None:
    """Copy the only image of one layout into another, where it replaces what had its reference.

    Raises:
        BuildError: the layout cannot be written, or holds something else.
        CanceledError: the run is being canceled while others write.
    """
    image = image_of(source)
    try:
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        with _locked(context, layout):
            for abandoned in layout.rglob(f"*{_PARTIAL}"):
                abandoned.unlink()
            for blob in sorted((source / "blobs" / "sha256").iterdir()):
                _copy(blob, blobs / blob.name)
            _replace(layout / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            index = _index(layout, image, reference)
            _replace(layout / "index.json", json.dumps(index).encode())
    except OSError as error:
        raise BuildError(f"the image cannot be kept in {layout}: {error}") from None
    context.logger.info("the image is in the OCI layout %s as %s", layout, reference)


def _index(layout: Path, image: dict[str, Any], reference: str) -> dict[str, Any]:
    file = layout / "index.json"
    try:
        index = json.loads(file.read_text()) if file.exists() else _EMPTY
        others = [entry for entry in index["manifests"] if _reference(entry) != reference]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BuildError(f"{file} is no index of an OCI layout") from None
    added = {**image, "annotations": {REFERENCE: reference}}
    return {**index, "manifests": [*others, added]}


def _reference(entry: dict[str, Any]) -> Any:
    return entry.get("annotations", {}).get(REFERENCE)


@contextmanager
def _locked(context: JobRunContext, layout: Path) -> Iterator[None]:
    with (layout / ".lock").open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if context.cancelled.wait(POLL_S):
                    raise CanceledError from None
        yield


def _copy(blob: Path, target: Path) -> None:
    if target.exists():
        return
    partial = target.with_name(target.name + _PARTIAL)
    digest = hashlib.sha256()
    with blob.open("rb") as reading, partial.open("wb") as writing:
        while chunk := reading.read(CHUNK_BYTES):
            digest.update(chunk)
            writing.write(chunk)
        os.fsync(writing.fileno())
    if digest.hexdigest() != target.name:
        raise BuildError(f"the builder wrote a blob that is not what its name says: {target.name}")
    partial.replace(target)


def _replace(target: Path, content: bytes) -> None:
    partial = target.with_name(target.name + _PARTIAL)
    with partial.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    partial.replace(target)
