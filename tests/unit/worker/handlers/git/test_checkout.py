"""What a build is of is checked out, by the real git from real repositories."""

import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from catalog.handlers.checkout import CheckedOut, CheckoutTarget, checkout
from catalog.handlers.git import CanceledError, GitError
from tests.support.contexts import context_of
from tests.support.git.origins import commit, git, made


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of the attempt's own, as a handler does."""
    own = tmp_path / "attempt"
    own.mkdir()
    monkeypatch.chdir(own)
    return own / "source"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository whose file `text` says which commit it is."""
    root = made(tmp_path_factory.mktemp("original") / "origin", {"text": "first"})
    git(root, "tag", "light")
    git(root, "tag", "-a", "annotated", "-m", "a tag with a message")
    commit(root, {"text": "second"})
    git(root, "switch", "-q", "-c", "feature/x")
    commit(root, {"text": "feature"})
    git(root, "tag", "both", "main~1")
    git(root, "branch", "both")
    git(root, "update-ref", "refs/pull/7/head", "feature/x")
    git(root, "switch", "-q", "main")
    commit(root, {"text": "third"})
    return root


@pytest.fixture
def origin(original: Path, tmp_path: Path) -> Path:
    """Give a copy of it, for a test to change."""
    return shutil.copytree(original, tmp_path / "origin", symlinks=True)


@contextmanager
def served_by_the_first_protocol(repository: Path) -> Iterator[str]:
    """Give the URL of a server that hands out only what names lead to, as in git's protocol 0."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                ["git", "http-backend"],
                input=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                capture_output=True,
                check=True,
                env={  # Without GIT_PROTOCOL, that is.
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(repository.parent),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": "safe.directory",
                    "GIT_CONFIG_VALUE_0": "*",
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                },
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            self.wfile.write(b"HTTP/1.0 200 OK\r\n" + head + b"\r\n\r\n" + body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{repository.name}/.git"
        finally:
            server.shutdown()
            thread.join()


def requested(
    ref: str | None = None, branch: str | None = None, commit: str | None = None
) -> CheckoutTarget:
    return CheckoutTarget(ref=ref, branch=branch, commit=commit)


def checked_out(origin: Path, directory: Path, ask: CheckoutTarget) -> tuple[str, CheckedOut]:
    """Check out; return what the file says, and what the function returned."""
    commit = checkout(context_of(), str(origin), ask, directory)
    assert git(directory, "rev-parse", "HEAD") == commit.commit_sha
    assert git(directory, "status", "--porcelain") == ""
    return (directory / "text").read_text(), commit


@pytest.mark.parametrize(
    ("ask", "text", "branch"),
    [
        (requested(), "third", "main"),
        (requested(branch="main"), "third", "main"),
        (requested(branch="feature/x"), "feature", "feature/x"),
        (requested(branch="both"), "feature", "both"),
        (requested(ref="light"), "first", None),
        (requested(ref="annotated"), "first", None),
        (requested(ref="both"), "first", None),
        (requested(ref="feature/x"), "feature", None),
        (requested(ref="refs/tags/light"), "first", None),
        (requested(ref="refs/heads/feature/x"), "feature", None),
        (requested(ref="refs/pull/7/head"), "feature", None),
        (requested(ref="light", branch="feature/x"), "first", "feature/x"),
        (requested(ref="tags/light"), "first", None),
        (requested(ref="heads/both"), "feature", None),
        (requested(ref="HEAD"), "third", "main"),
        (requested(ref="HEAD", branch="feature/x"), "feature", "feature/x"),
    ],
)
def test_names_are_checked_out(
    origin: Path, directory: Path, ask: CheckoutTarget, text: str, branch: str | None
) -> None:
    output, commit = checked_out(origin, directory, ask)
    assert (output, commit.branch) == (text, branch)
    assert git(directory, "rev-list", "--count", "HEAD") == "1"


@pytest.mark.parametrize("length", [40, 12, 7])
def test_a_commit_is_checked_out_by_its_id(origin: Path, directory: Path, length: int) -> None:
    sha = git(origin, "rev-parse", "main~1")
    for index, ref in enumerate((sha[:length], sha[:length].upper())):
        target = directory.with_name(f"source-{index}")
        assert checked_out(origin, target, requested(ref=ref)) == ("second", CheckedOut(sha, None))


def test_a_commit_that_a_server_hides_is_found_in_the_history(
    origin: Path, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sha = git(origin, "rev-parse", "main~1")
    with served_by_the_first_protocol(origin) as url:
        commit = checkout(context_of(), url, requested(ref=sha), directory)
    assert (commit.commit_sha, (directory / "text").read_text()) == (sha, "second")
    assert f"looking for commit {sha} in all branches and tags" in caplog.text


def test_the_default_branch_is_built_where_a_server_hides_the_commit(
    origin: Path, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served_by_the_first_protocol(origin) as url:
        commit = checkout(
            context_of(), url, requested(commit=git(origin, "rev-parse", "main~1")), directory
        )
    assert ((directory / "text").read_text(), commit.branch) == ("third", "main")
    assert "is not given out" in caplog.text


def test_the_commit_that_the_ingestion_saw_is_built_though_the_branch_went_on(
    origin: Path, directory: Path
) -> None:
    sha = git(origin, "rev-parse", "main~1")
    assert checked_out(origin, directory, requested(commit=sha)) == (
        "second",
        CheckedOut(sha, None),
    )


def test_the_default_branch_is_built_where_that_commit_is_gone(
    origin: Path, directory: Path
) -> None:
    assert checked_out(origin, directory, requested(commit="1" * 40))[0] == "third"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (requested(branch="gone"), "the repository has no branch gone"),
        (requested(branch="light"), "the repository has no branch light"),
        (requested(ref="gone"), "the repository has no tag, branch or commit gone"),
        (requested(ref="refs/heads/gone"), "the repository has no ref refs/heads/gone"),
        (requested(ref="1" * 40), "the repository has no tag, branch or commit 1111"),
        (requested(ref="1234567"), "the repository has no tag, branch or commit 1234567"),
        (requested(branch="*"), r"'\*' names nothing"),
        (requested(branch="x:refs/heads/y"), "names nothing"),
        (requested(ref="light..both"), "names nothing"),
        (requested(ref="--upload-pack=touch made"), "names nothing"),
        (requested(ref="refs/heads/main:refs/heads/made"), "names nothing"),
    ],
)
def test_what_is_not_there_is_said_to_be_missing(
    origin: Path, directory: Path, ask: CheckoutTarget, message: str
) -> None:
    with pytest.raises(GitError, match=message):
        checkout(context_of(), str(origin), ask, directory)
    assert not (directory.parent / "made").exists()


def test_an_empty_repository_is_refused(tmp_path: Path, directory: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    with pytest.raises(GitError, match="the repository has no commit"):
        checkout(context_of(), str(empty), requested(), directory)


def test_a_detached_head_has_no_branch(origin: Path, directory: Path) -> None:
    git(origin, "switch", "-q", "--detach", "light")
    assert checked_out(origin, directory, requested()) == (
        "first",
        CheckedOut(git(origin, "rev-parse", "light"), None),
    )


def test_nothing_in_the_checkout_tells_where_it_came_from(origin: Path, directory: Path) -> None:
    checked_out(origin, directory, requested())
    inside = [file for file in directory.rglob("*") if file.is_file()]
    assert inside
    assert not [file for file in inside if str(origin).encode() in file.read_bytes()]


@pytest.mark.timeout(150)
def test_a_cancel_ends_the_checkout(directory: Path) -> None:
    context = context_of()
    context.cancelled.set()
    # It accepts, and then never answers.
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}/shop.git"
        with pytest.raises(CanceledError):
            checkout(context, url, requested(), directory)
