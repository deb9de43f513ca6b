"""Which builder is used: the first that can be, or the one that is wanted, or none."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apphub_jobs.contract import PermanentError
from catalog.handlers import build
from catalog.handlers.builder import BuildError
from tests.support.building.builds import APP, BUILD
from tests.support.building.fake_builders import Answer, FakeBuilders
from tests.support.building.recorded_builds import BUILT_BY_DOCKER, UNREACHABLE, run
from tests.support.contexts import Reports, context_of

INSTALL = "apt-get install --no-install-recommends"

REMEDY = "start it, and let the worker's user reach its socket"


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (
            {
                "docker": Answer("version", out="26\n"),
                "podman": Answer("--version"),
                "buildah": None,
            },
            "docker",
        ),
        (
            {"docker": Answer("version", err=UNREACHABLE, code=1), "podman": Answer("--version")},
            "podman",
        ),
        (
            {"docker": Answer("version", err=UNREACHABLE, code=1), "buildah": Answer("--version")},
            "buildah",
        ),
        ({"podman": Answer("--version", code=127), "buildah": Answer("--version")}, "buildah"),
        ({"buildah": Answer("--version")}, "buildah"),
    ],
)
def test_the_first_builder_that_can_be_used_is_used(
    fakes: FakeBuilders, origin: Path, there: Mapping[str, Answer | None], chosen: str
) -> None:
    for name, answer in there.items():
        fakes.add(
            name,
            [*([answer] if answer else []), Answer("build", err=f"Error: asked {name}\n", code=1)],
        )
    with pytest.raises(BuildError, match=f"{chosen}: asked {chosen}"):
        run(origin)


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (
            "auto",
            f"no builder of images can be used here; install one: {INSTALL} buildah crun netavark",
        ),
        (
            "docker",
            "the builder docker cannot be used: docker is not installed: see https://docs.docker.com",
        ),
        (
            "podman",
            (
                "the builder podman cannot be used: podman is not installed:"
                f" {INSTALL} podman crun netavark"
            ),
        ),
        (
            "buildah",
            (
                "the builder buildah cannot be used: buildah is not installed:"
                f" {INSTALL} buildah crun netavark"
            ),
        ),
        ("kaniko", "unknown builder 'kaniko': use auto, docker, podman, buildah"),
    ],
)
@pytest.mark.usefixtures("fakes")
def test_without_a_builder_the_build_fails_for_good_and_says_what_to_install(
    origin: Path, builder: str, message: str
) -> None:
    reports = Reports()
    with pytest.raises(PermanentError) as failed:
        run(origin, {"builder": builder}, reports)
    assert str(failed.value).startswith(message)
    notice, failure = reports
    assert notice["context"] == {"launchEnvTemplates": []}
    assert (failure["metrics"]["buildId"], failure["metrics"]["status"]) == ("b", "failed")


def test_the_log_says_of_each_builder_why_it_cannot_be_used(
    fakes: FakeBuilders,
    origin: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    caplog.set_level("INFO")
    fakes.add("docker", [Answer("version", err=UNREACHABLE, code=1)])
    fakes.add("buildah", [Answer("--version")])
    with pytest.raises(PermanentError, match="no builder of images"):
        run(origin)
    records = [record.getMessage() for record in caplog.records]
    assert records[-3:] == [
        f"docker's daemon does not answer (docker: {UNREACHABLE.strip()}): {REMEDY}",
        f"podman is not installed: {INSTALL} podman crun netavark",
        f"buildah needs newuidmap here: {INSTALL} uidmap",
    ]


def test_a_builder_that_is_wanted_is_used_though_another_comes_first(
    fakes: FakeBuilders, origin: Path
) -> None:
    fakes.add("docker", [Answer("version", out="26\n"), BUILT_BY_DOCKER])
    fakes.add(
        "buildah", [Answer("--version"), Answer("build", err="Error: asked buildah\n", code=125)]
    )
    with pytest.raises(BuildError, match="buildah: asked buildah"):
        run(origin, {"builder": "buildah"})
    assert {command[0] for command in fakes.commands} == {"buildah"}


def with_a_build(status: str) -> dict[str, Any]:
    return {"build": {**BUILD, "status": status}, "repository": APP}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "repository missing"),
        ({"build": None, "repository": APP}, "repository missing"),
        ({"build": BUILD, "repository": None}, "repository missing"),
        (with_a_build("succeeded"), "build already ended: succeeded"),
        (with_a_build("failed"), "build already ended: failed"),
        (with_a_build("canceled"), "build already ended: canceled"),
    ],
)
def test_nothing_is_built_for_what_is_gone_or_over(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(PermanentError, match=f"^{message}$"):
        build.execute(context_of(inputs))


@pytest.mark.parametrize(
    ("builder", "network", "message"),
    [
        ("auto", "own", f"{INSTALL} slirp4netns"),
        ("buildah", "own", f"{INSTALL} slirp4netns"),
        ("docker", "own", "docker's daemon fetches what a Dockerfile adds"),
        ("auto", "none", "the API has no tokens and can be reached from everywhere"),
    ],
)
def test_while_the_api_is_open_nothing_is_built_that_could_reach_it(
    fakes: FakeBuilders, origin: Path, builder: str, network: str, message: str
) -> None:
    fakes.add("docker", [Answer("version", out="26\n"), BUILT_BY_DOCKER])
    fakes.add("buildah", [Answer("--version")])
    with pytest.raises(PermanentError) as refused:
        run(origin, {"builder": builder, "network": network})
    assert message in str(refused.value)
    assert "APPHUB_TOKENS_FILE" in str(refused.value)
    assert not [command for command in fakes.commands if "build" in command]
