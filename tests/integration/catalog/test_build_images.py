"""Images are really built, with Buildah, by the handler in a supervised process of its own."""

import json
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.support.building.builds import Builds, image_in, log_says
from tests.support.building.stores import made_store, pulled
from tests.support.git.origins import commit, git, made
from tests.support.slow import slow
from worker.executors.local.workplace import remove_directory
from worker.executors.port import Attempt

SCRATCH = {"Dockerfile": "FROM scratch\nCOPY greeting /\n", "greeting": "hello"}

LONG = (
    "FROM localhost/busybox\n"
    "RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/scratch "
    "--mount=type=bind,target=/context "
    "mkdir -p /shut/inner && touch /shut/inner/file && chown -R 7:7 /shut/inner && "
    "chmod 500 /shut/inner /shut && "
    "(i=0; while [ $i -lt 1200 ]; do mkdir d; cd d; i=$((i+1)); done) && "
    "(setsid sleep 300 &) && echo now it $((1 + 1)) runs && sleep 300\n"
)

RUNS = "now it 2 runs"


def tag_of(sha: str, name: str = "shop") -> str:
    return f"apphub/{name}:{sha[:12]}"


def test_an_image_from_nothing_is_built_and_everything_is_told(
    builds: Builds, tmp_path: Path
) -> None:
    env = 'export A="1" # one\nB=two\n'
    origin = made(tmp_path / "origin", {**SCRATCH, ".env.template": env})
    sha = git(origin, "rev-parse", "HEAD")
    built = builds.run(origin)
    digest, files = image_in(tmp_path / "images", tag_of(sha))
    assert files == {"greeting": b"hello"}
    assert built.result["result"] == {
        "buildId": "b",
        "repositoryId": "Shop",
        "imageTag": tag_of(sha),
        "commitSha": sha,
        "imageDigest": digest,
    }
    metrics = built.result["metrics"]
    assert metrics.pop("durationMs") > 0
    assert metrics == {
        "buildId": "b",
        "status": "succeeded",
        "commitSha": sha,
        "imageTag": tag_of(sha),
    }
    assert built.result["effects"] == [
        {
            "kind": "build.finished",
            "data": {
                "image_tag": tag_of(sha),
                "image_digest": digest,
                "commit_sha": sha,
                "git_branch": "main",
            },
        }
    ]
    [update] = built.updates
    assert update["metrics"] == {"buildId": "b", "status": "running", "commitSha": sha}
    assert update["context"]["launchEnvTemplates"] == [
        {"key": "A", "value": "1"},
        {"key": "B", "value": "two"},
    ]
    assert "STEP 2/2: COPY greeting /" in built.log
    assert pulled(tmp_path / "store", f"oci:{tmp_path / 'images'}:{tag_of(sha)}")


def test_steps_run_on_a_base_image_and_a_stage_copies_from_another(
    builds: Builds, tmp_path: Path
) -> None:
    dockerfile = (
        "FROM localhost/busybox AS made\n"
        "COPY . /source\n"
        "RUN tr a-z A-Z </source/greeting >/loud && echo made by a step\n"
        "FROM scratch\n"
        "COPY --from=made /loud /loud\n"
    )
    origin = made(tmp_path / "origin", {**SCRATCH, "docker/Dockerfile": dockerfile})
    built = builds.run(origin, app={"dockerfilePath": "docker/Dockerfile"})
    digest, files = image_in(tmp_path / "images", built.result["result"]["imageTag"])
    assert files == {"loud": b"HELLO"}
    assert built.result["result"]["imageDigest"] == digest
    assert "made by a step" in built.log


def test_a_step_that_fails_is_named_and_what_it_printed_is_kept(
    builds: Builds, tmp_path: Path
) -> None:
    step = "RUN echo so far so good && echo this went wrong >&2 && exit 7"
    dockerfile = f"FROM localhost/busybox\n{step}\n"
    origin = made(tmp_path / "origin", {"Dockerfile": dockerfile})
    built = builds.run(origin)
    assert built.error.startswith('buildah: building at STEP "RUN echo so far')
    assert built.error.endswith("exit status 7")
    assert "so far so good" in built.log
    assert "this went wrong" in built.log
    assert built.outcome.message["permanent"] is False
    last = built.updates[-1]["metrics"]
    assert (last["status"], last["commitSha"]) == ("failed", git(origin, "rev-parse", "HEAD"))
    assert not (tmp_path / "images").exists()


@pytest.fixture(scope="module")
def misleading(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository without a Dockerfile, but with links and with names of one."""
    origin = made(
        tmp_path_factory.mktemp("misleading") / "origin",
        {"directory/file": "", "Dockerfile.in": '#include "/etc/hostname"\n'},
    )
    (origin / "link").symlink_to("/etc/hostname")
    (origin / "through").symlink_to("/etc")
    (origin / "circle").symlink_to("circle")
    commit(origin, {})
    return origin


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Dockerfile", "Dockerfile not found, unable to launch app"),
        ("directory", "Dockerfile not found, unable to launch app"),
        ("x" * 300, "Dockerfile not found, unable to launch app"),
        ("circle", "Dockerfile not found, unable to launch app"),
        ("link", "the Dockerfile link leads out of the repository"),
        ("../outside", "the Dockerfile ../outside leads out of the repository"),
        ("/etc/hostname", "the Dockerfile /etc/hostname leads out of the repository"),
        ("through/hostname", "the Dockerfile through/hostname leads out of the repository"),
        ("Dockerfile.in", "a Dockerfile whose name ends in .in is not built"),
    ],
)
def test_only_a_file_of_the_repository_is_a_dockerfile(
    builds: Builds, misleading: Path, path: str, message: str
) -> None:
    built = builds.run(misleading, app={"dockerfilePath": path})
    assert built.error == message
    assert built.updates[-1]["metrics"]["status"] == "failed"


def test_branches_tags_and_commits_are_built(builds: Builds, tmp_path: Path) -> None:
    origin = made(tmp_path / "origin", {**SCRATCH, "greeting": "first"})
    first = git(origin, "rev-parse", "HEAD")
    git(origin, "tag", "-a", "v1", "-m", "first version")
    git(origin, "switch", "-q", "-c", "feature/x")
    second = commit(origin, {"greeting": "second"})
    git(origin, "switch", "-q", "main")
    third = commit(origin, {"greeting": "third"})
    cases: list[tuple[dict[str, Any], str, str, str | None]] = [
        ({}, third, "third", "main"),
        ({"gitBranch": "feature/x"}, second, "second", "feature/x"),
        ({"gitRef": "v1"}, first, "first", None),
        ({"gitRef": first}, first, "first", None),
        ({"commitSha": second}, second, "second", None),
    ]
    for build, sha, greeting, branch in cases:
        built = builds.run(origin, build=build)
        assert built.result["result"]["commitSha"] == sha
        assert built.result["effects"][0]["data"]["git_branch"] == branch
        assert image_in(tmp_path / "images", tag_of(sha))[1] == {"greeting": greeting.encode()}


def test_links_of_the_repository_lead_nothing_of_the_host_into_an_image(
    builds: Builds, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    dockerfile = (
        "FROM localhost/busybox\nCOPY . /copied/\n"
        "RUN cat /copied/file || cat /copied/directory/secret\n"
    )
    origin = made(tmp_path / "origin", {"Dockerfile": dockerfile})
    (origin / "file").symlink_to(tmp_path / "secret")
    (origin / "directory").symlink_to(tmp_path)
    commit(origin, {})
    assert "exit status 1" in builds.run(origin).error
    copies = made(tmp_path / "copies", {"Dockerfile": "FROM scratch\nCOPY directory/secret /\n"})
    (copies / "directory").symlink_to(tmp_path)
    commit(copies, {})
    assert "no such file" in builds.run(copies).error


@pytest.mark.parametrize(
    "instruction", ["FROM {}", "FROM scratch\nCOPY --from={} /greeting /", "FROM {} AS x"]
)
def test_no_image_file_of_the_host_is_a_base_image(
    builds: Builds, tmp_path: Path, instruction: str
) -> None:
    tag = builds.run(made(tmp_path / "other", SCRATCH)).result["result"]["imageTag"]
    dockerfile = instruction.format(f"oci:{tmp_path / 'images'}:{tag}")
    built = builds.run(made(tmp_path / "origin", {"Dockerfile": dockerfile}), app={"id": "thief"})
    assert "rejected by policy" in built.error or "no stage or image found" in built.error
    assert [
        entry["annotations"]
        for entry in json.loads((tmp_path / "images/index.json").read_text())["manifests"]
    ] == [{"org.opencontainers.image.ref.name": tag}]


READING = (
    "FROM {}\nCOPY greeting /mine",
    "FROM {} AS other\nFROM localhost/busybox\nCOPY --from=other /greeting /\n",
    "FROM localhost/busybox\nCOPY --from={} /greeting /\nRUN cat /greeting",
    "FROM localhost/busybox\nRUN --mount=type=bind,from={},target=/o cat /o/greeting",
)

STORES = ("[vfs@{}]", "[vfs@{}+{}-run]", "[{}]")


@pytest.fixture(scope="module")
def other_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give somebody else's store, which holds a secret."""
    directory = tmp_path_factory.mktemp("others") / "store"
    yield made_store(directory, "the other's secret")
    remove_directory(directory)


@pytest.mark.parametrize(
    ("instruction", "path"),
    [
        pair if pair[0] == READING[0] or pair[1] == STORES[0] else slow(*pair)
        for pair in product(READING, STORES)
    ],
)
def test_no_image_of_another_store_of_the_host_is_read(
    builds: Builds, other_store: Path, tmp_path: Path, instruction: str, path: str
) -> None:
    where = path.format(other_store, other_store)
    named = f"containers-storage:{where}localhost/other"
    dockerfile = instruction.format(named)
    origin = made(tmp_path / "origin", {"Dockerfile": dockerfile, "greeting": "mine"})
    built = builds.run(origin)
    assert built.outcome.kind == "error"
    assert "the other's secret" not in built.log
    assert not (tmp_path / "images").exists()
    # Where no driver is named, buildah binds the store's `overlay` to itself.
    overlay = str(other_store / "overlay")
    subprocess.run(["umount", "--lazy", overlay], check=False, capture_output=True)


def test_a_cancel_during_a_step_ends_the_build_at_once(builds: Builds, tmp_path: Path) -> None:
    async def cancel(attempt: Attempt, log: Path) -> None:
        await log_says(log, RUNS)
        attempt.cancel(60.0)  # Longer than the test may take: it must end by itself.

    built = builds.run(made(tmp_path / "origin", {"Dockerfile": LONG}), during=cancel)
    assert (built.result["status"], built.result["error_message"]) == (
        "canceled",
        "canceled while building",
    )
    assert built.result["metrics"]["status"] == "canceled"


async def _stop(attempt: Attempt, log: Path) -> None:
    await log_says(log, RUNS)
    attempt.stop()


def test_a_kill_of_everything_during_a_step_leaves_nothing(builds: Builds, tmp_path: Path) -> None:
    built = builds.run(made(tmp_path / "origin", {"Dockerfile": LONG}), during=_stop)
    assert built.outcome.kind == "stopped"
    assert not (tmp_path / "images").exists()


@pytest.mark.slow
def test_a_timeout_leaves_nothing(builds: Builds, tmp_path: Path) -> None:
    built = builds.run(made(tmp_path / "origin", {"Dockerfile": LONG}), timeout_ms=5_000)
    assert built.outcome.kind == "timeout"


def test_a_step_may_leave_a_process_in_the_background(builds: Builds, tmp_path: Path) -> None:
    dockerfile = "FROM localhost/busybox\nRUN setsid sleep 300 & echo left one\n"
    assert (
        builds.run(made(tmp_path / "origin", {"Dockerfile": dockerfile})).result["status"]
        == "succeeded"
    )
