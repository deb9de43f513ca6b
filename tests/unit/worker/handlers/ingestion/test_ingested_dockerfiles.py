"""Which Dockerfile an app is built by, and what it says of the app (contract, section 9)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.handlers import untrusted
from catalog.handlers.ingest import Tag, dockerfile_tags, find_dockerfile
from tests.unit.worker.handlers.ingestion.planting import Plant

# Dockerfiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("FROM node:20-alpine", [("runtime", "node20"), ("language", "javascript")]),
        ("FROM node:18.2", [("runtime", "node182"), ("language", "javascript")]),
        ("FROM node", [("language", "javascript")]),
        ("from --platform=$X docker.io/library/python:3.11-slim AS b", [
            *(("language", "python"), ("runtime", "python311")),
        ]),
        ("FROM localhost:5000/python@sha256:0123", [("language", "python")]),
        ("FROM nginx:1.27\nRUN x", [("runtime", "nginx")]),
        ("FROM mynode:20\nFROM scratch", []),
        ("FROM nginxinc/nginx-unprivileged:1.27", [("runtime", "nginx")]),
        ("FROM ghcr.io/linuxserver/baseimage-alpine-nginx:3.20", [("runtime", "nginx")]),
        ("FROM serversideup/php:8.3-fpm-nginx", [("runtime", "nginx")]),
        ("FROM mynginx:1", []),
        ("FROM example/server:python3.9-slim", [
            *(("language", "python"), ("runtime", "python39")),
        ]),
        ("FROM nikolaik/python-nodejs:python3.12-nodejs22", [
            *(("language", "python"), ("runtime", "python312")),
            *(("runtime", "node22"), ("language", "javascript")),
        ]),
        ('FROM "node:20"', [("runtime", "node20"), ("language", "javascript")]),
        ("FROM 'python:3'", [("language", "python"), ("runtime", "python3")]),
        ("FROM nodered/node-red:3.1", []),
        ("# FROM node:20\nRUN echo FROM python:3", []),
        ('CMD ["streamlit", "run"]', [("framework", "streamlit")]),
        ("CMD Uvicorn app:app", [("framework", "fastapi")]),
        (
            "FROM node:20\nFROM nginx",
            [("runtime", "node20"), ("language", "javascript"), ("runtime", "nginx")],
        ),
    ],
)  # fmt: skip
def test_a_dockerfile_gives_the_tags_of_its_images_and_servers(text: str, tags: list[Tag]) -> None:
    assert dockerfile_tags(text) == tags


SKIPPED = (".git", ".hg", ".svn", "node_modules", ".next", "dist", "build", "out", ".cache")

USUAL = (
    "Dockerfile",
    "docker/Dockerfile",
    "deploy/Dockerfile",
    "ops/Dockerfile",
    "Dockerfile.prod",
    "Dockerfile.release",
    "Containerfile",
)


@pytest.mark.parametrize("rank", range(len(USUAL)))
def test_usual_places_come_in_their_order(plant: Plant, rank: int) -> None:
    tree = plant(dict.fromkeys([*USUAL[rank:], "a/Dockerfile"], "FROM x"))
    assert find_dockerfile(tree, "none") == USUAL[rank]


@pytest.mark.parametrize("rank", range(len(USUAL)))
@pytest.mark.parametrize("respelled", [str.lower, str.upper])
def test_usual_places_are_known_whatever_their_case(
    plant: Plant, rank: int, respelled: Callable[[str], str]
) -> None:
    files = [respelled(USUAL[rank]), *USUAL[rank + 1 :], "a/Dockerfile"]
    tree = plant(dict.fromkeys(files, "FROM x"))
    assert find_dockerfile(tree, "none") == files[0]


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        (["dockerfile", "Dockerfile"], "Dockerfile", "Dockerfile"),
        (["DOCKERFILE", "dockerfile"], "Dockerfile", "DOCKERFILE"),
        (["Api/dockerfile", "Dockerfile"], "api/Dockerfile", "Api/dockerfile"),
        (["API/x", "Api/dockerfile"], "api/Dockerfile", "Api/dockerfile"),
        (["api/x/Dockerfile", "Dockerfile"], "API/Dockerfile", "Dockerfile"),
        ([".git/config", "Dockerfile"], ".GIT/config", "Dockerfile"),
    ],
)
def test_the_app_s_own_path_is_known_whatever_its_case(
    plant: Plant, files: list[str], own: str, expected: str
) -> None:
    assert find_dockerfile(plant(dict.fromkeys(files, "FROM x")), own) == expected


def test_a_link_is_known_whatever_its_case_unless_it_leads_out(
    plant: Plant, tmp_path: Path
) -> None:
    tree = plant({"images/web": "FROM x"})
    (tmp_path / "outside").write_text("FROM x")
    (tree.root / "DOCKERFILE").symlink_to(tmp_path / "outside")
    (tree.root / "Docker").symlink_to("images")
    assert find_dockerfile(tree, "docker/web") is None
    (tree.root / "dockerfile").symlink_to("images/web")
    assert find_dockerfile(tree, "none") == "dockerfile"


def test_the_apps_own_path_comes_first(plant: Plant) -> None:
    tree = plant(dict.fromkeys(["Dockerfile", "build/image"], "FROM x"))
    assert find_dockerfile(tree, "build/image") == "build/image"


@pytest.mark.parametrize(
    "own", ["", ".", "docker", "../outside", "/etc/passwd", "a\x00b", "x" * 300]
)
def test_an_own_path_that_is_no_file_inside_is_passed_over(
    plant: Plant, tmp_path: Path, own: str
) -> None:
    (tmp_path / "outside").write_text("FROM x")
    assert find_dockerfile(plant({"docker/Dockerfile": "FROM x"}), own) == "docker/Dockerfile"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["b/Dockerfile", "a/x/Dockerfile"], "b/Dockerfile"),
        (["b/Dockerfile", "a/Dockerfile.dev"], "a/Dockerfile.dev"),
        (["web.dockerfile", "a/Dockerfile"], "web.dockerfile"),
        (["x/Containerfile"], "x/Containerfile"),
        (["1/2/3/4/5/6/Dockerfile"], "1/2/3/4/5/6/Dockerfile"),
        (["1/2/3/4/5/6/7/Dockerfile"], None),
        ([f"{name}/Dockerfile" for name in SKIPPED], None),
        (["a/node_modules/Dockerfile", "builds/Dockerfile", "z/Dockerfile"], "builds/Dockerfile"),
        (["Dockerfiles", "MyDockerfile", "a.dockerfile.txt"], None),
        (["x/dockerfile"], "x/dockerfile"),
        (["x/CONTAINERFILE"], "x/CONTAINERFILE"),
        (["docker/linux-amd64.Dockerfile"], "docker/linux-amd64.Dockerfile"),
        (["x/dockerfile.Dev"], "x/dockerfile.Dev"),
        (["Build/Dockerfile"], "Build/Dockerfile"),
    ],
)
def test_else_a_search_goes_breadth_first_and_alphabetically(
    plant: Plant, files: list[str], expected: str | None
) -> None:
    assert find_dockerfile(plant(dict.fromkeys(files, "FROM x")), "none") == expected


def test_a_search_ends_after_so_many_entries(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "MAX_ENTRIES", 50)
    tree = plant({**{f"a{number:02}": "" for number in range(50)}, "z.dockerfile": "FROM x"})
    assert find_dockerfile(tree, "none") is None
    (tree.root / "a00").unlink()
    assert find_dockerfile(tree, "none") == "z.dockerfile"


def test_a_name_that_no_store_holds_is_not_found(plant: Plant) -> None:
    tree = plant({"b/Dockerfile.ok": "FROM x"})
    (tree.root / os.fsdecode(b"Dockerfile.\xff")).write_text("FROM x")
    assert find_dockerfile(tree, "none") == "b/Dockerfile.ok"


def test_a_linked_file_in_a_folder_is_found_unless_it_leads_out(
    plant: Plant, tmp_path: Path
) -> None:
    tree = plant({"images/web": "FROM x", "b/keep": "", "a/keep": ""})
    (tmp_path / "outside").write_text("FROM x")
    (tree.root / "a" / "Dockerfile").symlink_to(tmp_path / "outside")
    (tree.root / "b" / "Dockerfile").symlink_to("../images/web")
    assert find_dockerfile(tree, "none") == "b/Dockerfile"
