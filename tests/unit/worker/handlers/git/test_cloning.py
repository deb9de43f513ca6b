"""Git as the ingestion calls it, on real repositories, and the handler on top of it."""

import json
import logging
from pathlib import Path

import pytest

from apphub_jobs.contract import JobResult, PermanentError
from tests.support.git.git_servers import git_server
from tests.support.git.repositories import Reports, app_at, context_of, git, repository
from worker.handlers.git.client import GitError, RefusedError, clone
from worker.handlers.ingestion import handler
from worker.handlers.ingestion.handler import MAX_TAGS
from worker.handlers.untrusted.texts import redacted

pytestmark = pytest.mark.usefixtures("directory")


def test_the_newest_commit_alone_is_cloned(tmp_path: Path, directory: Path) -> None:
    origin = repository(tmp_path, {"a": "1"})
    (origin / "a").write_text("2")
    git(origin, "commit", "-qam", "second")
    git(origin, "branch", "other")
    sha = clone(context_of(), str(origin), directory / "clone")
    assert sha == git(origin, "rev-parse", "HEAD")
    assert (directory / "clone" / "a").read_text() == "2"
    assert git(directory / "clone", "rev-list", "--count", "HEAD") == "1"
    assert git(directory / "clone", "branch", "-r").split() == [
        "origin/HEAD",
        "->",
        "origin/main",
        "origin/main",
    ]


@pytest.mark.parametrize("name", ["with space", "100%25", "ümläut", "-option"])
def test_a_path_with_odd_characters_is_cloned(
    tmp_path: Path, directory: Path, name: str
) -> None:
    origin = repository(tmp_path, {"a": "1"}, name)
    assert clone(context_of(), str(origin), directory / "clone") == git(
        origin, "rev-parse", "HEAD"
    )


def test_a_file_url_is_cloned(tmp_path: Path, directory: Path) -> None:
    origin = repository(tmp_path, {"a": "1"})
    assert clone(context_of(), f"file://{origin}", directory / "clone") == git(
        origin, "rev-parse", "HEAD"
    )


def test_an_empty_repository_is_refused(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(GitError, match="the repository has no commit"):
        clone(context_of(), str(repository(tmp_path, {})), directory / "clone")


@pytest.mark.parametrize("exists", ["a directory without a repository", "nothing"])
def test_a_path_that_is_no_repository_is_refused(
    tmp_path: Path, directory: Path, exists: str
) -> None:
    path = tmp_path / "plain"
    if exists != "nothing":
        path.mkdir()
    with pytest.raises(GitError, match=r"git clone failed: (.|\n)*plain"):
        clone(context_of(), str(path), directory / "clone")


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch made'", "--upload-pack=touch made", "-u./x"]
)
def test_no_url_runs_a_command(directory: Path, url: str) -> None:
    with pytest.raises(GitError):
        clone(context_of(), url, directory / "clone")
    assert not (directory / "made").exists()


def test_a_submodule_is_not_fetched(tmp_path: Path, directory: Path) -> None:
    inner = repository(tmp_path, {"secret": "1"}, "inner")
    origin = repository(tmp_path, {"a": "1"})
    git(
        origin,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(inner),
        "sub",
    )
    git(origin, "commit", "-qm", "with a submodule")
    clone(context_of(), str(origin), directory / "clone")
    assert list((directory / "clone" / "sub").iterdir()) == []


@pytest.mark.parametrize(
    "credentials", ["s3cret", "anna:s3cret", "s3cret%40x", "anna:s3cret%40x", ""]
)
def test_no_credential_is_told_and_none_is_asked_for(
    directory: Path, credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    at = "@" if credentials else ""
    with (
        git_server(directory, login="anna:other") as server,
        pytest.raises(RefusedError) as failed,
    ):
        clone(
            context_of(),
            f"http://{credentials}{at}{server.address}/shop.git",
            directory / "clone",
        )
    assert "the server demands a user and password" in str(failed.value)
    assert server.authorizations == [None]
    assert server.address in caplog.text
    for said in (str(failed.value), caplog.text):
        assert "s3cret" not in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.org/a", "https://example.org/a"),
        ("https://token@example.org:8443/a?b=c", "https://example.org:8443/a?b=c"),
        ("ssh://git@example.org/a", "ssh://example.org/a"),
        ("https://u:p@ss@example.org/a", "https://example.org/a"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("/srv/git/a@b", "/srv/git/a@b"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize("name", ["feature/x", "v1", "-odd"])
def test_a_branch_or_tag_is_cloned_alone(
    tmp_path: Path, directory: Path, name: str
) -> None:
    origin = repository(tmp_path, {"a": "1"})
    git(
        origin,
        "update-ref",
        f"refs/{'tags' if name == 'v1' else 'heads'}/{name}",
        "HEAD",
    )
    wanted = git(origin, "rev-parse", "HEAD")
    (origin / "a").write_text("2")
    git(origin, "commit", "-qam", "second")
    assert clone(context_of(), str(origin), directory / "clone", name) == wanted
    assert (directory / "clone" / "a").read_text() == "1"
    assert git(directory / "clone", "rev-list", "--all", "--count") == "1"


def test_a_missing_branch_is_named(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(GitError, match="Remote branch nope not found"):
        clone(
            context_of(),
            str(repository(tmp_path, {"a": "1"})),
            directory / "clone",
            branch="nope",
        )


def test_nothing_but_the_clone_is_left(tmp_path: Path, directory: Path) -> None:
    clone(context_of(), str(repository(tmp_path, {"a": "1"})), directory / "clone")
    assert [path.name for path in directory.iterdir()] == ["clone"]
    assert git(directory / "clone", "status", "--porcelain") == ""


# The handler on top -------------------------------------------------------------------------------


def ingested(origin: Path, reports: Reports | None = None) -> JobResult:
    return handler.execute(context_of(app_at(str(origin)), reports))


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
def test_what_the_repository_does_not_say_stays_as_given(
    tmp_path: Path, name: str
) -> None:
    files = {"Dockerfile": "FROM scratch", "package.json": f'{{"name": {name}}}'}
    (effect,) = ingested(repository(tmp_path, files)).effects
    assert (effect.data["name"], effect.data["description"]) == ("Shop", "As given")


@pytest.mark.parametrize(
    ("name", "kept"),
    [("x" * 300, "x" * 200), (" my\n shop ", "my shop"), (" ", "Shop")],
)
def test_a_name_is_one_line_of_a_name_s_length(
    tmp_path: Path, name: str, kept: str
) -> None:
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


def test_an_app_without_a_dockerfile_fails_for_good_and_says_where_it_stood(
    tmp_path: Path,
) -> None:
    reports = Reports()
    origin = repository(tmp_path, {"README.md": "x"})
    with pytest.raises(
        PermanentError, match=r"^Dockerfile not found, unable to launch app$"
    ):
        ingested(origin, reports)
    (report,) = reports
    assert (report["metrics"]["status"], report["metrics"]["commitSha"]) == (
        "failed",
        git(origin, "rev-parse", "HEAD"),
    )


def test_an_app_that_is_gone_is_skipped() -> None:
    assert handler.execute(context_of({"repository": None})).result == {"skipped": True}


def test_a_repository_that_cannot_be_read_fails_and_says_so_in_its_metrics(
    tmp_path: Path,
) -> None:
    reports = Reports()
    with pytest.raises(GitError):
        ingested(tmp_path / "none", reports)
    (report,) = reports
    assert (report["metrics"]["status"], report["metrics"]["commitSha"]) == (
        "failed",
        None,
    )
