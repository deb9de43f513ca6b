"""Git as the ingestion calls it, with the real git on real repositories, and the handler on top of it."""

import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from worker.contract import JobResult, JobRunContext, PermanentError
from worker.handlers import ingestion
from worker.handlers.git import CanceledError, GitError, clone, redacted


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of the attempt's own, as a handler does."""
    own = tmp_path / "attempt"
    own.mkdir()
    monkeypatch.chdir(own)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    return own


class Reports(list[dict[str, Any]]):
    """What the handler reported while it ran."""


def context_of(inputs: dict[str, Any] | None = None, reports: Reports | None = None) -> JobRunContext:
    gathered = Reports() if reports is None else reports
    return JobRunContext(
        definition={},
        run={},
        parameters={},
        settings={},
        inputs=inputs or {},
        logger=logging.getLogger("tests.cloning"),
        cancelled=threading.Event(),
        deadline=None,
        send_report=lambda report: gathered.append(dict(report)),
    )


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, "-C", str(repository), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(tmp_path: Path, files: dict[str, str], name: str = "origin") -> Path:
    root = tmp_path / name
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    if files:
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "first")
    return root


def test_the_newest_commit_alone_is_cloned(tmp_path: Path, directory: Path) -> None:
    origin = repository(tmp_path, {"a": "1"})
    (origin / "a").write_text("2")
    git(origin, "commit", "-qam", "second")
    git(origin, "branch", "other")
    sha = clone(context_of(), str(origin), directory / "clone")
    assert sha == git(origin, "rev-parse", "HEAD")
    assert (directory / "clone" / "a").read_text() == "2"
    assert git(directory / "clone", "rev-list", "--count", "HEAD") == "1"
    assert git(directory / "clone", "branch", "-r").split() == ["origin/HEAD", "->", "origin/main", "origin/main"]


@pytest.mark.parametrize("name", ["with space", "100%25", "ümläut", "-option"])
def test_a_path_with_odd_characters_is_cloned(tmp_path: Path, directory: Path, name: str) -> None:
    origin = repository(tmp_path, {"a": "1"}, name)
    assert clone(context_of(), str(origin), directory / "clone") == git(origin, "rev-parse", "HEAD")


def test_a_file_url_is_cloned(tmp_path: Path, directory: Path) -> None:
    origin = repository(tmp_path, {"a": "1"})
    assert clone(context_of(), f"file://{origin}", directory / "clone") == git(origin, "rev-parse", "HEAD")


def test_an_empty_repository_is_refused(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(GitError, match="the repository has no commit"):
        clone(context_of(), str(repository(tmp_path, {})), directory / "clone")


@pytest.mark.parametrize("exists", ["a directory without a repository", "nothing"])
def test_a_path_that_is_no_repository_is_refused(tmp_path: Path, directory: Path, exists: str) -> None:
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


@contextmanager
def asking_for_a_password() -> Iterator[str]:
    """Give the address of a server that wants to know who asks, whatever it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("credentials", ["s3cret", "anna:s3cret", "s3cret%40x", "anna:s3cret%40x", ""])
def test_no_credential_is_told_and_none_is_asked_for(
    directory: Path, credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with asking_for_a_password() as address, pytest.raises(GitError) as failed:
        clone(context_of(), f"http://{credentials}{'@' if credentials else ''}{address}/shop.git", directory / "clone")
    assert "git clone failed" in str(failed.value)
    assert address in caplog.text
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


@contextmanager
def saying_nothing() -> Iterator[str]:
    """Give the address of a server that accepts and then never answers."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        yield f"127.0.0.1:{server.server_port}"


@pytest.mark.timeout(30)
def test_a_clone_that_hangs_stops_when_asked_to(directory: Path) -> None:
    context = context_of()
    context.cancelled.set()
    with saying_nothing() as address, pytest.raises(CanceledError):
        clone(context, f"http://{address}/shop.git", directory / "clone")


# The handler on top -------------------------------------------------------------------------------------------------

APP = {
    "id": "Shop",
    "name": "Shop",
    "description": "As given",
    "dockerfilePath": "Dockerfile",
    "tags": [],
    "authorTags": [{"key": "Runtime", "value": "Node20"}],
}


def ingested(origin: Path, reports: Reports | None = None) -> JobResult:
    return ingestion.execute(context_of({"repository": {**APP, "repoUrl": str(origin)}}, reports))


def test_an_app_becomes_what_its_repository_says(tmp_path: Path) -> None:
    files = {
        "package.json": '{"name": "shop-frontend", "dependencies": {"vue": "3"}, "engines": {"node": "20"}}',
        "tags.yaml": "team: web\nframework: VUE\n",
        "docker/Dockerfile": "FROM node:20",
        "README.md": "# Shop\n\nSells things.\n",
    }
    origin = repository(tmp_path, files)
    result = ingested(origin)
    sha = git(origin, "rev-parse", "HEAD")
    assert result.result == {"repositoryId": "Shop", "commitSha": sha, "dockerfilePath": "docker/Dockerfile"}
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


def test_an_app_without_a_dockerfile_fails_for_good_and_says_where_it_stood(tmp_path: Path) -> None:
    reports = Reports()
    origin = repository(tmp_path, {"README.md": "x"})
    with pytest.raises(PermanentError, match=r"^Dockerfile not found, unable to launch app$"):
        ingested(origin, reports)
    (report,) = reports
    assert (report["metrics"]["status"], report["metrics"]["commitSha"]) == ("failed", git(origin, "rev-parse", "HEAD"))


def test_an_app_that_is_gone_is_skipped() -> None:
    assert ingestion.execute(context_of({"repository": None})).result == {"skipped": True}


def test_a_cancel_while_cloning_ends_the_run_as_canceled() -> None:
    with saying_nothing() as address:
        context = context_of({"repository": {**APP, "repoUrl": f"http://{address}/shop.git"}})
        context.cancelled.set()
        assert ingestion.execute(context).status == "canceled"
