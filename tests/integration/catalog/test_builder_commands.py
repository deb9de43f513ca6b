"""How Docker and Podman are called, and what is made of their answers.

The answers were recorded from the real ones: Docker 26.1.5 with and without BuildKit, Podman 5.4.2.
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apphub_jobs.contract import JobResult, PermanentError
from tests.support.building.builds import APP, BUILD, image_in
from tests.support.building.fake_builders import Answer, FakeBuilders
from tests.support.contexts import Reports, context_of
from tests.support.git.origins import git
from worker.handlers.building import handler
from worker.handlers.building.builders.buildah import current_limits
from worker.handlers.building.builders.builder import BuildError

IMAGE_ID = "sha256:84ecbb20733af1aef3598ca6f3baf2bc7ee42a0582f80665a86d5bc0b8edd8ab"

PUSHED = "sha256:43b4be95764e3f64d7e18d008dde74842a01f55e7fde3a0f74f06da202d5b583"

UNREACHABLE = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    " Is the docker daemon running?\n"
)

REMEDY = "start it, and let the worker's user reach its socket"

BUILT_BY_DOCKER = Answer(
    "build", out="Successfully built 84ecbb20733a\n", files={"--iidfile": IMAGE_ID}
)

BUILT_BY_PODMAN = Answer(
    "build", out="COMMIT localhost/apphub/shop\n", files={"--iidfile": IMAGE_ID}
)


def run(
    origin: Path,
    settings: Mapping[str, Any] | None = None,
    reports: Reports | None = None,
) -> JobResult:
    repository = {**APP, "repoUrl": str(origin), "dockerfilePath": "docker/Dockerfile"}
    return handler.execute(
        context_of({"build": BUILD, "repository": repository}, settings, reports)
    )


def tag_of(origin: Path) -> str:
    return f"apphub/shop:{git(origin, 'rev-parse', 'HEAD')[:12]}"


def layout_of(directory: Path) -> tuple[Path, str]:
    """Make what builders write for an image without layers; return it and the image's digest."""
    config = b"{}"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"digest": f"sha256:{hashlib.sha256(config).hexdigest()}"},
            "layers": [],
        }
    ).encode()
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (config, manifest):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": len(manifest),
    }
    (directory / "index.json").write_text(
        json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [
                    {**entry, "annotations": {"io.containerd.image.name": "x"}}
                ],
            }
        )
    )
    return directory, digest


def archive_of(layout: Path) -> Path:
    archive = layout.with_suffix(".tar")
    with tarfile.open(archive, "w") as file:
        file.add(layout, ".")
    return archive


def test_docker_builds_and_keeps_the_image_itself(
    fakes: FakeBuilders, origin: Path
) -> None:
    fakes.add("docker", [Answer("version", out="26.1.5+dfsg1\n"), BUILT_BY_DOCKER])
    result = run(origin)
    source, work = Path("source").absolute(), Path("build").absolute()
    assert fakes.commands == [
        ["docker", "version", "--format", "{{.Server.Version}}"],
        [
            *(
                "docker",
                "build",
                "--force-rm",
                "--iidfile",
                f"{work}/image-id",
                "--tag",
                tag_of(origin),
            ),
            *("--file", f"{source}/docker/Dockerfile", str(source)),
        ],
    ]
    assert result.result["imageDigest"] == IMAGE_ID
    assert result.result["imageTag"] == tag_of(origin)


def test_docker_pushes_with_the_operators_credentials(
    fakes: FakeBuilders, origin: Path, tmp_path: Path
) -> None:
    name = f"registry.example:5000/team/{tag_of(origin)}"
    digests = [
        f"mirror.example/{name.partition('/')[2]}@sha256:0",
        f"{name.rpartition(':')[0]}@{PUSHED}",
    ]
    answers = [
        Answer("version", out="26\n"),
        BUILT_BY_DOCKER,
        Answer("tag"),
        Answer("push", out="Pushed\n"),
    ]
    fakes.add("docker", [*answers, Answer("inspect", out=json.dumps(digests))])
    (tmp_path / "auth.json").write_text("{}")
    settings = {
        "registry": "registry.example:5000/team",
        "registryAuthFile": str(tmp_path / "auth.json"),
    }
    result = run(
        origin, {**settings, "dockerHost": "unix:///run/user/1000/docker.sock"}
    )
    assert result.result["imageDigest"] == PUSHED
    docker = ["docker", "--host", "unix:///run/user/1000/docker.sock"]
    assert fakes.commands[2:] == [
        [*docker, "tag", tag_of(origin), name],
        [*docker, "push", name],
        [*docker, "image", "inspect", "--format", "{{json .RepoDigests}}", name],
    ]
    build_call, push_call = fakes.calls[1], fakes.calls[3]
    assert "DOCKER_CONFIG" not in build_call["environment"]
    config = Path(push_call["environment"]["DOCKER_CONFIG"])
    assert (config / "config.json").resolve() == tmp_path / "auth.json"
    assert config.is_relative_to(Path.cwd())


@pytest.mark.parametrize("said", ["[]", "null", '["other.example/x@sha256:0"]'])
def test_a_push_without_a_digest_is_a_failure(
    fakes: FakeBuilders, origin: Path, said: str
) -> None:
    answers = [
        Answer("version", out="26\n"),
        BUILT_BY_DOCKER,
        Answer("tag"),
        Answer("push"),
    ]
    fakes.add("docker", [*answers, Answer("inspect", out=said)])
    with pytest.raises(
        BuildError,
        match=r"docker does not say under which digest it pushed to r\.example/apphub/shop",
    ):
        run(origin, {"registry": "r.example"})


def test_dockers_own_registry_has_a_name_that_docker_leaves_out(
    fakes: FakeBuilders, origin: Path
) -> None:
    answers = [
        Answer("version", out="26\n"),
        BUILT_BY_DOCKER,
        Answer("tag"),
        Answer("push"),
    ]
    fakes.add(
        "docker", [*answers, Answer("inspect", out=f'["team/apphub/shop@{PUSHED}"]')]
    )
    assert run(origin, {"registry": "docker.io/team"}).result["imageDigest"] == PUSHED


def test_docker_writes_an_oci_layout(
    fakes: FakeBuilders, origin: Path, tmp_path: Path
) -> None:
    layout, digest = layout_of(tmp_path / "saved")
    saved = Answer("save", copies={"--output": str(archive_of(layout))})
    fakes.add("docker", [Answer("version", out="26\n"), BUILT_BY_DOCKER, saved])
    assert (
        run(origin, {"ociDir": str(tmp_path / "images")}).result["imageDigest"]
        == digest
    )
    assert image_in(tmp_path / "images", tag_of(origin)) == (digest, {})
    assert fakes.commands[-1] == [
        "docker",
        "save",
        "--output",
        f"{Path.cwd()}/build/image.tar",
        tag_of(origin),
    ]


def test_an_old_docker_cannot_write_an_oci_layout(
    fakes: FakeBuilders, origin: Path, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").touch()
    saved = Answer("save", copies={"--output": str(archive_of(tmp_path / "old"))})
    fakes.add("docker", [Answer("version", out="20\n"), BUILT_BY_DOCKER, saved])
    with pytest.raises(BuildError, match="docker 25 or newer is needed"):
        run(origin, {"ociDir": str(tmp_path / "images")})


def test_podman_keeps_everything_in_the_attempts_directory(
    fakes: FakeBuilders, origin: Path, tmp_path: Path
) -> None:
    layout, digest = layout_of(tmp_path / "pushed")
    pushed = Answer("push", copies={"oci:": str(layout)})
    fakes.add(
        "podman",
        [Answer("--version", out="podman version 5.4.2\n"), BUILT_BY_PODMAN, pushed],
    )
    (tmp_path / "base" / "vfs-images").mkdir(parents=True)
    result = run(
        origin,
        {"ociDir": str(tmp_path / "images"), "baseImages": str(tmp_path / "base")},
    )
    source, work = Path("source").absolute(), Path("build").absolute()
    podman = [
        *(
            "podman",
            "--root",
            f"{work}/storage",
            "--runroot",
            f"{work}/run",
            "--storage-driver",
            "vfs",
        ),
        *(
            "--storage-opt",
            f"vfs.imagestore={tmp_path}/base",
            "--tmpdir",
            f"{work}/libpod",
        ),
    ]
    assert fakes.commands == [
        ["podman", "--version"],
        [
            *(*podman, "build", "--signature-policy", f"{work}/policy.json"),
            *(
                "--isolation",
                "chroot",
                *current_limits(),
                "--format",
                "oci",
                "--layers=false",
            ),
            *("--iidfile", f"{work}/image-id", "--tag", f"localhost/{tag_of(origin)}"),
            *("--file", f"{source}/docker/Dockerfile", str(source)),
        ],
        [
            *podman,
            "push",
            "--signature-policy",
            f"{work}/policy.json",
            IMAGE_ID,
            f"oci:{work}/image",
        ],
    ]
    for call in fakes.calls[1:]:
        assert all(
            Path(place).is_relative_to(work) for place in call["environment"].values()
        )
    assert result.result["imageDigest"] == digest
    assert image_in(tmp_path / "images", tag_of(origin)) == (digest, {})


def test_podman_pushes_with_the_operators_credentials(
    fakes: FakeBuilders, origin: Path, tmp_path: Path
) -> None:
    layout, _ = layout_of(tmp_path / "pushed")
    to_registry = Answer("--digestfile", files={"--digestfile": PUSHED})
    pushed = Answer("push", copies={"oci:": str(layout)})
    fakes.add(
        "podman",
        [
            Answer("--version", out="podman version 5.4.2\n"),
            BUILT_BY_PODMAN,
            to_registry,
            pushed,
        ],
    )
    settings = {
        "registry": "r.example/team",
        "registryAuthFile": "/etc/push.json",
        "registryTlsVerify": False,
    }
    assert run(origin, settings).result["imageDigest"] == PUSHED
    work = Path("build").absolute()
    assert fakes.commands[-1][-7:] == [
        "--tls-verify=false",
        *("--authfile", "/etc/push.json"),
        *("--digestfile", f"{work}/registry-digest"),
        IMAGE_ID,
        f"docker://r.example/team/{tag_of(origin)}",
    ]
    assert not any("--authfile" in command for command in fakes.commands[:-1])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "repository missing"),
        ({"build": None, "repository": APP}, "repository missing"),
        ({"build": BUILD, "repository": None}, "repository missing"),
        (
            {"build": {**BUILD, "status": "succeeded"}, "repository": APP},
            "build already ended: succeeded",
        ),
        (
            {"build": {**BUILD, "status": "failed"}, "repository": APP},
            "build already ended: failed",
        ),
        (
            {"build": {**BUILD, "status": "canceled"}, "repository": APP},
            "build already ended: canceled",
        ),
    ],
)
def test_nothing_is_built_for_what_is_gone_or_over(
    inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(PermanentError, match=f"^{message}$"):
        handler.execute(context_of(inputs))
