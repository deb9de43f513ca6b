"""The operator's credentials with a real git server: for their host alone, and seen by no other."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.handlers.git import GitError, RefusedError, clone
from tests.support.git.git_servers import Server, git_server, http_server
from tests.support.git.repositories import context_of, git, repository

pytestmark = pytest.mark.usefixtures("directory")

LOGIN = "deploy bot:s3cr@t/%41 §"
USER, _, PASSWORD = LOGIN.partition(":")
TRACES = (PASSWORD, "s3cr", "ZGVwbG95")  # As it is, encoded for a URL, and in base64.


def credentials(address: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"credentials": {address: {"username": USER, "password": password}}}


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return repository(tmp_path, {"a": "1"})


def seen_by_others() -> str:
    """Return every command line and environment on this machine that can be read."""
    texts = []
    for process in Path("/proc").glob("[0-9]*"):
        for file in ("cmdline", "environ"):
            try:
                texts.append((process / file).read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue
    return "\n".join(texts)


def test_a_private_repository_is_cloned_and_nobody_sees_the_password(
    tmp_path: Path, origin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    seen: list[str] = []
    with git_server(tmp_path, LOGIN, lambda: seen.append(seen_by_others())) as server:
        url = f"http://{server.address}/origin/.git"
        sha = clone(context_of(**credentials(server.address)), url, Path("clone"))
    assert sha == git(origin, "rev-parse", "HEAD")
    assert server.authorizations[0] is None  # Only who asks for it is told.
    assert server.authorizations[-1] is not None
    # So git's own command line was among what we saw.
    assert any(url in text for text in seen)
    kept = [path.read_text(errors="replace") for path in Path().rglob("*") if path.is_file()]
    for text in (*seen, *kept, caplog.text):
        assert not [trace for trace in TRACES if trace in text]


def test_a_wrong_password_is_refused_and_not_told(tmp_path: Path, origin: Path) -> None:
    del origin
    reason = "other than the operator's"
    with git_server(tmp_path, LOGIN) as server, pytest.raises(RefusedError, match=reason) as failed:
        clone(
            context_of(**credentials(server.address, "wr0ng")),
            f"http://{server.address}/origin/.git",
            Path("clone"),
        )
    assert "wr0ng" not in str(failed.value)
    assert not [path for path in Path().iterdir() if path.name.startswith("git-")]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1", "localhost", "other.example"])
def test_another_host_or_port_gets_nothing(tmp_path: Path, origin: Path, address: str) -> None:
    del origin
    with (
        git_server(tmp_path, LOGIN) as server,
        pytest.raises(RefusedError, match="demands a user and password"),
    ):
        clone(
            context_of(**credentials(address)),
            f"http://{server.address}/origin/.git",
            Path("clone"),
        )
    assert set(server.authorizations) == {None}


def redirect_to(server: Server) -> Callable[[Any], None]:
    return lambda handler: handler.say(302, Location=f"http://{server.address}{handler.path}")


def test_a_redirect_never_carries_the_credentials_away(tmp_path: Path, origin: Path) -> None:
    del origin
    with (
        git_server(tmp_path) as elsewhere,
        http_server(redirect_to(elsewhere)) as first,
        pytest.raises(
            RefusedError,
            match="the server redirects, which is not followed where credentials are used",
        ),
    ):
        clone(
            context_of(**credentials(first.address)),
            f"http://{first.address}/origin/.git",
            Path("clone"),
        )
    assert elsewhere.authorizations == []


def test_a_redirect_after_the_login_carries_nothing_away(tmp_path: Path, origin: Path) -> None:
    del origin

    def answer(handler: Any) -> None:
        if handler.headers.get("Authorization") is None:
            handler.say(401, WWW_Authenticate='Basic realm="tests"')
        else:
            redirect_to(elsewhere)(handler)

    with (
        git_server(tmp_path) as elsewhere,
        http_server(answer) as first,
        pytest.raises(RefusedError),
    ):
        clone(
            context_of(**credentials(first.address)),
            f"http://{first.address}/origin/.git",
            Path("clone"),
        )
    assert first.authorizations[-1] is not None
    assert elsewhere.authorizations == []


def test_a_redirect_towards_the_host_does_not_fetch_its_credentials(
    tmp_path: Path, origin: Path
) -> None:
    del origin
    with (
        git_server(tmp_path, LOGIN) as private,
        http_server(redirect_to(private)) as first,
        pytest.raises(RefusedError, match="demands a user and password"),
    ):
        clone(
            context_of(**credentials(private.address)),
            f"http://{first.address}/origin/.git",
            Path("clone"),
        )
    assert set(private.authorizations) == {None}


def test_nothing_of_the_host_is_told(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give the right password by .netrc, git's settings, stores, helpers and variables."""
    del origin
    home = tmp_path / "home"
    home.mkdir()
    with (
        git_server(tmp_path, "anna:known") as server,
        http_server(lambda handler: handler.say(200)) as proxy,
    ):
        (home / ".netrc").write_text("machine 127.0.0.1 login anna password known\n")
        (home / ".git-credentials").write_text(f"http://anna:known@{server.address}\n")
        (home / ".gitconfig").write_text("[credential]\n\thelper = store\n")
        helper = home / "askpass"
        helper.write_text("#!/bin/sh\necho known\n")
        helper.chmod(0o755)
        for name in ("GIT_ASKPASS", "SSH_ASKPASS"):
            monkeypatch.setenv(name, str(helper))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://anna:known@{proxy.address}")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.extraHeader")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Authorization: Basic YW5uYTprbm93bg==")
        with pytest.raises(GitError, match="demands a user and password"):
            clone(context_of(), f"http://{server.address}/origin/.git", Path("clone"))
    assert server.authorizations == [None]
    assert proxy.authorizations == []


def test_the_test_above_would_see_what_is_told(tmp_path: Path, origin: Path) -> None:
    with git_server(tmp_path, "anna:known") as server:
        url = f"http://anna:known@{server.address}/origin/.git"
        assert git(origin, "-c", f"safe.directory={os.devnull}", "ls-remote", url, "HEAD")
    assert server.authorizations[-1] == "Basic YW5uYTprbm93bg=="
