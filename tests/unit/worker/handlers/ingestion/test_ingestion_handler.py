"""The handler of ingestions, on real repositories."""

import json
from pathlib import Path
from typing import Any

import pytest

from apphub_jobs.contract import JobResult, PermanentError
from catalog.handlers import ingest
from catalog.handlers.git import GitError
from catalog.handlers.ingest import MAX_TAGS
from tests.support.git.repositories import Reports, app_at, context_of, git, repository

pytestmark = pytest.mark.usefixtures("directory")


def ingested(origin: Path, reports: Reports | None = None, **fields: Any) -> JobResult:
    return ingest.execute(context_of(app_at(str(origin), **fields), reports))


def test_an_app_becomes_what_its_repository_says(tmp_path: Path) -> None:
    files = {
        "package.json": '{"name": "shop-frontend", "dependencies": {"vue": "3"},'
        ' "engines": {"node": "20"}}',
        "tags.yaml": "team: web\nframework: VUE\n",
        "docker/Dockerfile": "FROM node:20",
        "README.md": "# Shop\n\nSells things.\n",
    }
    origin = repository(tmp_path, files)
    result = ingested(origin)
    sha = git(origin, "rev-parse", "HEAD")
    assert result.result == {
        "repositoryId": "Shop",
        "commitSha": sha,
        "dockerfilePath": "docker/Dockerfile",
    }
    (effect,) = result.effects
    assert effect.kind == "repository.ingested"
    assert effect.data == {
        "commit_sha": sha,
        "name": "shop-frontend",
        "description": "Sells things.",
        "dockerfile_path": "docker/Dockerfile",
        "tags": [
            {"key": "Runtime", "value": "Node20"},
            {"key": "framework", "value": "vue"},
            {"key": "team", "value": "web"},
            {"key": "language", "value": "javascript"},
        ],
        "preview_tiles": [],
    }
    assert {**result.metrics, "durationMs": 0} == {
        "repositoryId": "Shop",
        "status": "ready",
        "durationMs": 0,
        "commitSha": sha,
    }


@pytest.mark.parametrize("name", ["7", '""', '"\\ud800"', '"\\u0000"', "null"])
def test_what_the_repository_does_not_say_stays_as_given(tmp_path: Path, name: str) -> None:
    files = {"Dockerfile": "FROM scratch", "package.json": f'{{"name": {name}}}'}
    (effect,) = ingested(repository(tmp_path, files)).effects
    assert (effect.data["name"], effect.data["description"]) == ("Shop", "As given")


@pytest.mark.parametrize(
    ("name", "kept"), [("x" * 300, "x" * 200), (" my\n shop ", "my shop"), (" ", "Shop")]
)
def test_a_name_is_one_line_of_a_name_s_length(tmp_path: Path, name: str, kept: str) -> None:
    files = {"Dockerfile": "FROM scratch", "package.json": json.dumps({"name": name})}
    (effect,) = ingested(repository(tmp_path, files)).effects
    assert effect.data["name"] == kept


def test_sources_of_tags_come_in_their_order_and_their_number_is_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "package.json": '{"dependencies": {"react": "19"}, "engines": {"node": "20"}}',
        "tags.json": json.dumps(
            {
                "Runtime": "NODE20",
                "LIBRARY": "React",
                "many": [f"{number}" for number in range(300)],
            }
        ),
        "Dockerfile": "FROM node:22",
    }
    (effect,) = ingested(repository(tmp_path, files)).effects
    pairs = [(tag["key"], tag["value"]) for tag in effect.data["tags"]]
    assert pairs[:3] == [("Runtime", "Node20"), ("library", "react"), ("many", "0")]
    assert len(pairs) == MAX_TAGS
    assert "of 304 tags are left out" in caplog.text


def test_an_app_without_a_dockerfile_fails_for_good_and_says_where_it_stood(tmp_path: Path) -> None:
    reports = Reports()
    origin = repository(tmp_path, {"README.md": "x"})
    with pytest.raises(PermanentError, match=r"^Dockerfile not found, unable to launch app$"):
        ingested(origin, reports)
    sha = git(origin, "rev-parse", "HEAD")
    reported = [report["metrics"] for report in reports]
    assert [(metrics["status"], metrics["commitSha"]) for metrics in reported] == [
        ("processing", sha),
        ("failed", sha),
    ]


def test_an_explicit_app_keeps_its_author_s_name_description_and_tags(tmp_path: Path) -> None:
    files = {
        "package.json": '{"name": "shop-frontend", "dependencies": {"vue": "3"}}',
        "tags.yaml": "team: web\n",
        "Dockerfile.dev": "FROM node:20",
        "README.md": "# Shop\n\nSells things.\n\n![Shot](https://x.org/a.png)\n",
    }
    origin = repository(tmp_path, files)
    (effect,) = ingested(origin, metadataStrategy="explicit").effects
    [tile] = effect.data["preview_tiles"]
    assert tile["src"] == "https://x.org/a.png"
    assert {**effect.data, "preview_tiles": []} == {
        "commit_sha": git(origin, "rev-parse", "HEAD"),
        "name": "Shop",
        "description": "As given",
        "dockerfile_path": "Dockerfile.dev",
        "tags": [{"key": "Runtime", "value": "Node20"}],
        "preview_tiles": [],
    }


def test_an_app_that_is_gone_is_skipped() -> None:
    assert ingest.execute(context_of({"repository": None})).result == {"skipped": True}


def test_a_repository_that_cannot_be_read_fails_and_says_so_in_its_metrics(tmp_path: Path) -> None:
    reports = Reports()
    with pytest.raises(GitError):
        ingested(tmp_path / "none", reports)
    (report,) = reports
    assert (report["metrics"]["status"], report["metrics"]["commitSha"]) == ("failed", None)
