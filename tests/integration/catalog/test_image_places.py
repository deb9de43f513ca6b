"""Where built images go: a shared layout, a registry, nowhere."""

import asyncio
import hashlib
import json
from pathlib import Path

from tests.integration.catalog.test_build_images import SCRATCH
from tests.support.building.builds import Builds, image_in
from tests.support.building.image_registry import PASSWORD, image_registry, write_credentials
from tests.support.git.origins import made


async def test_builds_at_the_same_time_share_an_oci_layout(builds: Builds, tmp_path: Path) -> None:
    origins = [
        made(tmp_path / f"origin{number}", {**SCRATCH, "greeting": str(number)})
        for number in range(4)
    ]

    all_of_them = (
        builds.one(str(origin), {}, {"id": origin.name}, None, None, {}) for origin in origins
    )
    for number, built in enumerate(await asyncio.gather(*all_of_them)):
        digest, files = image_in(tmp_path / "images", built.result["result"]["imageTag"])
        assert (digest, files) == (
            built.result["result"]["imageDigest"],
            {"greeting": str(number).encode()},
        )
    builds.check_nothing_is_left()


def test_an_image_that_nobody_wants_to_keep_is_built_and_said_to_be_gone(
    builds: Builds, tmp_path: Path
) -> None:
    built = builds.run(made(tmp_path / "origin", SCRATCH), settings={"ociDir": None})
    assert built.result["result"]["imageDigest"].startswith("sha256:")
    assert "the image was built and is not kept" in built.log


def test_an_unusable_place_for_images_is_named(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    origin = made(tmp_path / "origin", SCRATCH)
    assert (
        f"the image cannot be kept in {tmp_path}/file"
        in builds.run(origin, settings={"ociDir": str(tmp_path / "file")}).error
    )
    empty = f"{tmp_path}/nowhere holds no base images (see docs/building.md)"
    assert builds.run(origin, settings={"baseImages": str(tmp_path / "nowhere")}).error == empty


def test_an_image_is_pushed_with_the_operators_credentials(builds: Builds, tmp_path: Path) -> None:
    origin = made(tmp_path / "origin", SCRATCH)
    with image_registry() as registry:
        settings = {"registry": f"{registry.address}/team/", "registryTlsVerify": False}
        assert "authentication required" in builds.run(origin, settings=settings).error
        credentials = write_credentials(tmp_path / "credentials.json", registry.address)
        built = builds.run(origin, settings={**settings, "registryAuthFile": str(credentials)})
        result = built.result["result"]
        manifest = registry.manifests[f"team/{result['imageTag']}"]
    assert result["imageDigest"] == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    # The layout holds the same image, so that one digest names both.
    assert image_in(tmp_path / "images", result["imageTag"])[0] == result["imageDigest"]
    parts = json.loads(manifest)
    assert {parts["config"]["digest"], *(layer["digest"] for layer in parts["layers"])} <= set(
        registry.blobs
    )
    assert PASSWORD not in built.log
