"""Addresses of repositories, and whose credentials are used for them."""

import logging
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from catalog.handlers.git import GitError, RefusedError, clone
from catalog.handlers.origin import (
    PIPE_VARIABLE,
    Password,
    SshKey,
    credentials_for,
    origin_of,
    password_pipe,
    prepare_environment,
    ssh_command,
)
from tests.support.git.repositories import context_of


@pytest.mark.parametrize(
    ("repo_url", "url"),
    [
        ("/srv/git/shop", "file:///srv/git/shop"),
        ("/srv/a b/100%25/ü#?", "file:///srv/a%20b/100%2525/%C3%BC%23%3F"),
        ("file:///srv/git/a%20b", "file:///srv/git/a%20b"),
        ("file:/srv/git/shop", "file:///srv/git/shop"),
        ("FILE://localhost/srv/git/shop", "file:///srv/git/shop"),
        ("https://example.org/a.git", "https://example.org/a.git"),
        ("HTTPS://Example.ORG:8443/A?x=y", "https://example.org:8443/A?x=y"),
        ("https://anna:s3cret@example.org/a", "https://example.org/a"),
        ("https://a:b@c@example.org/a", "https://example.org/a"),
        ("https://other.example\\@example.org/a", "https://example.org/a"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("git://anna@example.org/a", "git://example.org/a"),
        ("ssh://git@example.org:2222/a", "ssh://git@example.org:2222/a"),
        ("ssh://git:s3cret@example.org/a", "ssh://git@example.org/a"),
    ],
)
def test_git_is_given_a_rebuilt_address_without_a_password(repo_url: str, url: str) -> None:
    assert origin_of(repo_url, {}).url == url


@pytest.mark.parametrize(
    "repo_url",
    [
        "",
        "shop",
        "./shop",
        "git@example.org:shop.git",
        "ext::sh -c true",
        "ftp://example.org/a",
        "javascript:x",
        "https:example.org/a",
        "https:///a",
        "ssh:a",
        "file:a",
        "file://other.example/a",
        "http://[",
        "http://x:y/a",
        "https://-oProxyCommand=x/a",
        "ssh://-oProxyCommand=x/a",
        "https://a b/c",
        "https://a%2fb/c",
        " /srv/a",
        "/srv/a\n",
        "https://example.org/\x1b[31m",
        "/srv/\ud800",
        "--upload-pack=x",
    ],
)
def test_nothing_else_is_given_to_git(repo_url: str) -> None:
    with pytest.raises(RefusedError, match="neither an absolute path nor"):
        origin_of(repo_url, {})


LOG = logging.getLogger("tests.origin")

LOGIN = {"username": "deploy", "password": "s3cret"}
PASSWORD = Password("deploy", "s3cret")
KEY = {"sshKeyFile": "/etc/key"}


@pytest.mark.parametrize(
    ("repo_url", "entries", "used"),
    [
        ("https://example.org/a", {"example.org": LOGIN}, PASSWORD),
        ("https://EXAMPLE.org/a", {"Example.ORG": LOGIN}, PASSWORD),
        ("https://example.org/a", {"example.org:443": LOGIN}, PASSWORD),
        ("https://example.org:443/a", {"example.org": LOGIN}, PASSWORD),
        ("https://example.org:8443/a", {"example.org:8443": LOGIN}, PASSWORD),
        ("https://example.org:8443/a", {"example.org": LOGIN}, None),
        ("https://example.org/a", {"example.org:8443": LOGIN}, None),
        ("https://sub.example.org/a", {"example.org": LOGIN}, None),
        ("https://example.org.evil.example/a", {"example.org": LOGIN}, None),
        ("https://example.org@evil.example/a", {"example.org": LOGIN}, None),
        ("https://example.org./a", {"example.org": LOGIN}, None),
        ("http://example.org/a", {"example.org": LOGIN}, None),
        ("http://example.org/a", {"example.org": {**LOGIN, "allowHttp": True}}, PASSWORD),
        ("http://example.org/a", {"example.org": {**LOGIN, "allowHttp": "yes"}}, None),
        ("http://localhost:80/a", {"localhost": LOGIN}, PASSWORD),
        ("http://127.1.2.3:8080/a", {"127.1.2.3:8080": LOGIN}, PASSWORD),
        ("http://[::1]:8080/a", {"[::1]:8080": LOGIN}, PASSWORD),
        ("http://127.0.0.1.evil.example/a", {"127.0.0.1.evil.example": LOGIN}, None),
        ("ssh://git@example.org/a", {"example.org": KEY}, SshKey("/etc/key", None)),
        (
            "ssh://git@example.org:22/a",
            {"example.org": {**KEY, "knownHostsFile": "/k"}},
            SshKey("/etc/key", "/k"),
        ),
        ("ssh://git@example.org/a", {"example.org": LOGIN}, None),
        ("ssh://git@example.org:2222/a", {"example.org": KEY}, None),
        ("https://example.org/a", {"example.org": KEY}, None),
        ("https://example.org/a", {"example.org": {**KEY, **LOGIN}}, PASSWORD),
        ("git://example.org/a", {"example.org": {**LOGIN, "allowHttp": True}}, None),
        ("/srv/example.org/a", {"": LOGIN, ":0": LOGIN}, None),
        ("https://example.org/a", {}, None),
    ],
)
def test_credentials_are_for_exactly_their_host(
    repo_url: str, entries: dict[str, Any], used: object
) -> None:
    settings = {"credentials": entries}
    assert credentials_for(origin_of(repo_url, settings), settings, LOG) == used


def test_credentials_that_are_withheld_are_told(caplog: pytest.LogCaptureFixture) -> None:
    credentials_for(
        origin_of("http://example.org/a", {}), {"credentials": {"example.org": LOGIN}}, LOG
    )
    assert "the credentials for example.org are not used" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"password": "x"}, "username"),
        ({"username": "x", "password": ""}, "password"),
        ({"username": "x", "password": 7}, "password"),
        ({"username": "x", "password": "a\nhost=evil.example"}, "password"),
        ({"username": "x\ry", "password": "z"}, "username"),
    ],
)
def test_an_unusable_entry_is_told_without_its_secret(entry: dict[str, Any], field: str) -> None:
    settings = {"credentials": {"example.org": entry}}
    with pytest.raises(
        RefusedError, match=f"^the operator's credentials for example.org lack a usable {field}$"
    ):
        credentials_for(origin_of("https://example.org/a", settings), settings, LOG)


@pytest.mark.parametrize(
    "secret", ["p:/ü", " two words ", "back\\slash\\n", 'it\'s "$HOME" `id` %s', "x" * 9000]
)
def test_git_gets_the_password_by_a_pipe_and_finds_it_nowhere_else(
    tmp_path: Path, secret: str
) -> None:
    home = tmp_path / 'it\'s a "home"'
    home.mkdir()
    password = Password("a@b", secret)
    origin = origin_of("https://example.org:8443/a", {})
    environment = prepare_environment(home, origin, password)
    request = "protocol=https\nhost=example.org:8443\n\n"
    with password_pipe(password) as pipe:
        assert pipe is not None
        environment[PIPE_VARIABLE] = str(pipe)
        answer = subprocess.run(
            ["git", "credential", "fill"],
            input=request.encode(),
            env=environment,
            pass_fds=(pipe,),
            stdout=subprocess.PIPE,
            check=True,
        )
    assert f"username=a@b\npassword={secret}\n" in answer.stdout.decode()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    texts = [*environment.values(), *(path.read_text() for path in files)]
    assert not [text for text in texts if secret in text]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.org/a", "https"),
        ("http://example.org/a", "http:https"),
        ("git://example.org/a", "git"),
        ("ssh://example.org/a", "ssh"),
        ("/srv/a", "file"),
    ],
)
def test_git_may_use_no_other_kind_of_address(tmp_path: Path, url: str, allowed: str) -> None:
    assert prepare_environment(tmp_path, origin_of(url, {}), None)["GIT_ALLOW_PROTOCOL"] == allowed


# ssh ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh")
@pytest.mark.parametrize(
    "key", [None, SshKey("/etc/a key %h", '/etc/k "n" \\own'), SshKey("/etc/key", None)]
)
def test_ssh_takes_nothing_from_the_host(key: SshKey | None) -> None:
    command = [*shlex.split(ssh_command(key)), "-G", "git@example.org"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    options = dict(line.split(" ", 1) for line in output.splitlines())
    assert options["identityfile"] == ("none" if key is None else key.key_file.replace("%", "%%"))
    assert options["identityagent"] == "none"
    assert options["identitiesonly"] == options["batchmode"] == "yes"
    assert options["stricthostkeychecking"] in {"yes", "true"}
    known = key.known_hosts_file if key is not None else None
    assert options["userknownhostsfile"] == (known or "/dev/null")
    for name in ("forwardagent", "permitlocalcommand", "updatehostkeys"):
        assert options[name] in {"no", "false"}
    assert "proxycommand" not in options
    assert options["preferredauthentications"] == ("none" if key is None else "publickey")


@pytest.mark.usefixtures("directory")
def test_git_calls_ssh_with_the_operator_s_key_and_no_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    (programs / "ssh").write_text(
        f'#!/bin/sh\nfor each; do echo "$each"; done > {seen}\nenv >> {seen}\n'
        "echo 'git@example.org: Permission denied (publickey).' >&2\nexit 255\n"
    )
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    settings: dict[str, Any] = {
        "credentials": {"example.org:2222": {"sshKeyFile": "/etc/apphub/my key"}}
    }
    with pytest.raises(RefusedError, match="demands a key other than the operator's"):
        clone(context_of(**settings), "ssh://git:s3cret@example.org:2222/shop.git", Path("clone"))
    lines = seen.read_text().splitlines()
    assert '-oIdentityFile="/etc/apphub/my key"' in lines
    assert lines[lines.index("-p") + 1] == "2222"
    assert "git@example.org" in lines
    assert not [line for line in lines if "s3cret" in line or "SSH_AUTH_SOCK" in line]


@pytest.mark.usefixtures("directory")
def test_an_unknown_ssh_host_is_not_trusted_at_first_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ssh").write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    with pytest.raises(
        GitError, match="the operator has given no key to recognise this ssh server by"
    ):
        clone(context_of(), "ssh://git@example.org/shop.git", Path("clone"))
