"""How Podman is called, and what is made of its answers."""

from pathlib import Path

from catalog.handlers.buildah import current_limits
from tests.support.building.builds import image_in
from tests.support.building.fake_builders import Answer, FakeBuilders
from tests.support.building.recorded_builds import (
    BUILT_BY_PODMAN,
    IMAGE_ID,
    PUSHED,
    layout_of,
    run,
    tag_of,
)


def test_podman_keeps_everything_in_the_attempts_directory(
    fakes: FakeBuilders, origin: Path, tmp_path: Path
) -> None:
    layout, digest = layout_of(tmp_path / "pushed")
    pushed = Answer("push", copies={"oci:": str(layout)})
    fakes.add(
        "podman", [Answer("--version", out="podman version 5.4.2\n"), BUILT_BY_PODMAN, pushed]
    )
    (tmp_path / "base" / "vfs-images").mkdir(parents=True)
    result = run(origin, {"ociDir": str(tmp_path / "images"), "baseImages": str(tmp_path / "base")})
    source, work = Path("source").absolute(), Path("build").absolute()
    podman = [
        "podman",
        *("--root", f"{work}/storage"),
        *("--runroot", f"{work}/run"),
        *("--storage-driver", "vfs"),
        *("--storage-opt", f"vfs.imagestore={tmp_path}/base"),
        *("--tmpdir", f"{work}/libpod"),
    ]
    policy = ("--signature-policy", f"{work}/policy.json")
    build = [
        *(*podman, "build", *policy),
        *("--isolation", "chroot", *current_limits()),
        *("--format", "oci", "--layers=false"),
        *("--iidfile", f"{work}/image-id", "--tag", f"localhost/{tag_of(origin)}"),
        *("--file", f"{source}/docker/Dockerfile", str(source)),
    ]
    push = [*podman, "push", *policy, IMAGE_ID, f"oci:{work}/image"]
    assert fakes.commands == [["podman", "--version"], build, push]
    for call in fakes.calls[1:]:
        assert all(Path(path).is_relative_to(work) for path in call["environment"].values())
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
        [Answer("--version", out="podman version 5.4.2\n"), BUILT_BY_PODMAN, to_registry, pushed],
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
