"""Git as the ingestion calls it, on real repositories."""

import logging
from pathlib import Path

import pytest

from catalog.handlers.git import GitError, RefusedError, clone
from catalog.handlers.untrusted import redact_userinfo
from tests.support.git.git_servers import git_server
from tests.support.git.repositories import context_of, git, repository

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
def test_a_path_with_odd_characters_is_cloned(tmp_path: Path, directory: Path, name: str) -> None:
    origin = repository(tmp_path, {"a": "1"}, name)
    assert clone(context_of(), str(origin), directory / "clone") == git(origin, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "named",
    [
        "{path}",
        "{path}/",
        "{path}/.git",
        "{parent}/./{name}",
        "{parent}//{name}",
        "{parent}/bare.git",
        "{parent}/bare.git/",
        "{parent}/bare",
        "file://{path}",
        "file://{path}/",
        "file:{path}",
        "file://localhost{path}",
        "FILE://LocalHost{path}",
        "file://{parent}/%6frigin",
        "http://{server}/origin",
        "http://{server}/origin/",
        "http://{server}/bare.git",
        "http://{server}/bare.git/",
        "HTTP://{server}/origin",
        "http://anna:hidden@{server}/origin",
    ],
)
def test_a_repository_is_cloned_whichever_way_it_is_named(
    tmp_path: Path, directory: Path, named: str
) -> None:
    origin = repository(tmp_path, {"a": "1"})
    git(tmp_path, "clone", "--quiet", "--bare", str(origin), "bare.git")
    with git_server(tmp_path) as server:
        url = named.format(path=origin, parent=tmp_path, name=origin.name, server=server.address)
        sha = clone(context_of(), url, directory / "clone")
    assert sha == git(origin, "rev-parse", "HEAD")


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


@pytest.mark.parametrize("url", ["ext::sh -c 'touch made'", "--upload-pack=touch made", "-u./x"])
def test_no_url_runs_a_command(directory: Path, url: str) -> None:
    with pytest.raises(GitError):
        clone(context_of(), url, directory / "clone")
    assert not (directory / "made").exists()


def test_a_submodule_is_not_fetched(tmp_path: Path, directory: Path) -> None:
    inner = repository(tmp_path, {"secret": "1"}, "inner")
    origin = repository(tmp_path, {"a": "1"})
    git(origin, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    git(origin, "commit", "-qm", "with a submodule")
    clone(context_of(), str(origin), directory / "clone")
    assert list((directory / "clone" / "sub").iterdir()) == []


def test_a_password_is_in_no_file_while_git_shows_it_to_its_server(
    tmp_path: Path, directory: Path
) -> None:
    repository(tmp_path, {"a": "1"}, "shop")
    secret = "s3cret-of-the-operator"
    paths: list[Path] = []

    def look() -> None:
        files = [path for path in directory.rglob("*") if path.is_file()]
        paths.extend(path for path in files if secret.encode() in path.read_bytes())

    with git_server(tmp_path, f"anna:{secret}", on_request=look) as server:
        entry = {"username": "anna", "password": secret}
        context = context_of(credentials={server.address: entry})
        clone(context, f"http://{server.address}/shop", directory / "clone")
    assert None in server.authorizations
    assert any(server.authorizations)
    assert paths == []


@pytest.mark.parametrize(
    "credentials", ["s3cret", "anna:s3cret", "s3cret%40x", "anna:s3cret%40x", ""]
)
def test_no_credential_is_told_and_none_is_asked_for(
    directory: Path, credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    at = "@" if credentials else ""
    with git_server(directory, login="anna:other") as server, pytest.raises(RefusedError) as failed:
        clone(
            context_of(), f"http://{credentials}{at}{server.address}/shop.git", directory / "clone"
        )
    assert "the server demands a user and password" in str(failed.value)
    assert server.authorizations == [None]
    assert server.address in caplog.text
    for text in (str(failed.value), caplog.text):
        assert "s3cret" not in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@example.org/a", "https://example.org/a"),
        ("https://token@example.org:8443/a?b=c", "https://example.org:8443/a?b=c"),
        ("ssh://git@example.org/a", "ssh://example.org/a"),
        ("https://u:p@ss@example.org/a", "https://example.org/a"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("/srv/git/a@b", "/srv/git/a@b"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, expected: str) -> None:
    assert redact_userinfo(url) == expected


@pytest.mark.parametrize("name", ["feature/x", "v1", "-odd"])
def test_a_branch_or_tag_is_cloned_alone(tmp_path: Path, directory: Path, name: str) -> None:
    origin = repository(tmp_path, {"a": "1"})
    git(origin, "update-ref", f"refs/{'tags' if name == 'v1' else 'heads'}/{name}", "HEAD")
    head = git(origin, "rev-parse", "HEAD")
    (origin / "a").write_text("2")
    git(origin, "commit", "-qam", "second")
    assert clone(context_of(), str(origin), directory / "clone", name) == head
    assert (directory / "clone" / "a").read_text() == "1"
    assert git(directory / "clone", "rev-list", "--all", "--count") == "1"


def test_a_missing_branch_is_named(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(GitError, match="Remote branch nope not found"):
        clone(
            context_of(), str(repository(tmp_path, {"a": "1"})), directory / "clone", branch="nope"
        )


def test_nothing_but_the_clone_is_left(tmp_path: Path, directory: Path) -> None:
    clone(context_of(), str(repository(tmp_path, {"a": "1"})), directory / "clone")
    assert [path.name for path in directory.iterdir()] == ["clone"]
    assert git(directory / "clone", "status", "--porcelain") == ""
