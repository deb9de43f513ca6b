"""What Docker and Podman said and wrote when they built, and a build by their stand-ins.

Recorded from the real ones: Docker 26.1.5 with and without BuildKit, Podman 5.4.2.
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apphub_jobs.contract import JobResult
from catalog.handlers import build
from tests.support.building.builds import APP, BUILD
from tests.support.building.fake_builders import Answer
from tests.support.contexts import Reports, context_of
from tests.support.git.origins import git

IMAGE_ID = "sha256:84ecbb20733af1aef3598ca6f3baf2bc7ee42a0582f80665a86d5bc0b8edd8ab"

PUSHED = "sha256:43b4be95764e3f64d7e18d008dde74842a01f55e7fde3a0f74f06da202d5b583"

UNREACHABLE = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    " Is the docker daemon running?\n"
)

BUILT_BY_DOCKER = Answer(
    "build", out="Successfully built 84ecbb20733a\n", files={"--iidfile": IMAGE_ID}
)

BUILT_BY_PODMAN = Answer(
    "build", out="COMMIT localhost/apphub/shop\n", files={"--iidfile": IMAGE_ID}
)


def run(
    origin: Path, settings: Mapping[str, Any] | None = None, reports: Reports | None = None
) -> JobResult:
    """Let the handler build this repository's image."""
    repository = {**APP, "repoUrl": str(origin), "dockerfilePath": "docker/Dockerfile"}
    return build.execute(context_of({"build": BUILD, "repository": repository}, settings, reports))


def tag_of(origin: Path) -> str:
    """Return the tag of the image built from the newest commit."""
    return f"apphub/shop:{git(origin, 'rev-parse', 'HEAD')[:12]}"


def layout_of(directory: Path) -> tuple[Path, str]:
    """Make what builders write for an image without layers; return it and the image's digest."""
    config = b"{}"
    config_digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    described = {"schemaVersion": 2, "config": {"digest": config_digest}, "layers": []}
    manifest = json.dumps(described).encode()
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (config, manifest):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": len(manifest),
        "annotations": {"io.containerd.image.name": "x"},
    }
    index = {"schemaVersion": 2, "manifests": [entry]}
    (directory / "index.json").write_text(json.dumps(index))
    return directory, digest


def archive_of(layout: Path) -> Path:
    """Pack a layout as `docker save` does, beside it."""
    archive = layout.with_suffix(".tar")
    with tarfile.open(archive, "w") as file:
        file.add(layout, ".")
    return archive
