"""How Docker is called, and what is made of its answers."""

import json
from pathlib import Path

import pytest

from catalog.handlers.builder import BuildError
from tests.support.building.builds import image_in
from tests.support.building.fake_builders import Answer, FakeBuilders
from tests.support.building.recorded_builds import (
    BUILT_BY_DOCKER,
    IMAGE_ID,
    PUSHED,
    archive_of,
    layout_of,
    run,
    tag_of,
)


def test_docker_builds_and_keeps_the_image_itself(fakes: FakeBuilders, origin: Path) -> None:
    fakes.add("docker", [Answer("version", out="26.1.5+dfsg1\n"), BUILT_BY_DOCKER])
    result = run(origin)
    source, work = Path("source").absolute(), Path("build").absolute()
    version = ["docker", "version", "--format", "{{.Server.Version}}"]
    build = [
        *("docker", "build", "--force-rm"),
        *("--iidfile", f"{work}/image-id", "--tag", tag_of(origin)),
        *("--file", f"{source}/docker/Dockerfile", str(source)),
    ]
    assert fakes.commands == [version, build]
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
    result = run(origin, {**settings, "dockerHost": "unix:///run/user/1000/docker.sock"})
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


@pytest.mark.parametrize("message", ["[]", "null", '["other.example/x@sha256:0"]'])
def test_a_push_without_a_digest_is_a_failure(
    fakes: FakeBuilders, origin: Path, message: str
) -> None:
    answers = [Answer("version", out="26\n"), BUILT_BY_DOCKER, Answer("tag"), Answer("push")]
    fakes.add("docker", [*answers, Answer("inspect", out=message)])
    with pytest.raises(
        BuildError,
        match=r"docker does not say under which digest it pushed to r\.example/apphub/shop",
    ):
        run(origin, {"registry": "r.example"})


def test_dockers_own_registry_has_a_name_that_docker_leaves_out(
    fakes: FakeBuilders, origin: Path
) -> None:
    answers = [Answer("version", out="26\n"), BUILT_BY_DOCKER, Answer("tag"), Answer("push")]
    fakes.add("docker", [*answers, Answer("inspect", out=f'["team/apphub/shop@{PUSHED}"]')])
    assert run(origin, {"registry": "docker.io/team"}).result["imageDigest"] == PUSHED


def test_docker_writes_an_oci_layout(fakes: FakeBuilders, origin: Path, tmp_path: Path) -> None:
    layout, digest = layout_of(tmp_path / "saved")
    saved = Answer("save", copies={"--output": str(archive_of(layout))})
    fakes.add("docker", [Answer("version", out="26\n"), BUILT_BY_DOCKER, saved])
    assert run(origin, {"ociDir": str(tmp_path / "images")}).result["imageDigest"] == digest
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
