"""Which servers are asked for repositories, and that a name leads nowhere else afterwards."""

import shlex
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from catalog.handlers import ingest as ingestion
from catalog.handlers.git import GitError, RefusedError, clone
from catalog.handlers.origin import (
    NOT_REACHED,
    is_public,
    origin_of,
    prepare_environment,
    resolve_addresses,
)
from tests.support.git.git_servers import git_server, http_server, tcp_server
from tests.support.git.repositories import app_at, context_of, git, repository

PUBLIC = ("8.8.8.8", "2606:4700:4700::1111")

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "0.0.0.0",
    "192.0.0.192",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fe80::1",
    "fec0::1",
    "fd00:ec2::254",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_not_everybody_reaches_are_known(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", [*PUBLIC, "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.fixture
def internal() -> Iterator[tuple[int, list[bytes]]]:
    """Give the port of a server of this machine, and what it was asked."""
    received: list[bytes] = []
    with tcp_server(lambda connection: received.append(connection.recv(10))) as port:
        yield int(port.rpartition(":")[2]), received


@pytest.mark.parametrize("scheme", ["http", "git", "ssh"])
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LocalHost.",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "no-such-name.invalid",
    ],
)
def test_nothing_of_this_machine_is_asked_however_it_is_called(
    internal: tuple[int, list[bytes]], directory: Path, scheme: str, host: str
) -> None:
    port, received = internal
    url = f"{scheme}://{host}:{port}/shop.git"
    with pytest.raises(GitError) as refused:
        clone(context_of(allowPrivateRepositories=False), url, Path("clone"))
    assert str(refused.value) == NOT_REACHED
    assert received == []


def answers(*addresses: str) -> Any:
    """Return a name service that knows every name."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    resolved = [(*kind, (address, 0)) for address in addresses]
    return lambda *_, **__: resolved


@pytest.mark.parametrize("second", ["10.0.0.1", "fe80::1%lo", "::1"])
def test_one_private_address_of_a_name_is_enough(
    monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(PUBLIC[0], second))
    with pytest.raises(GitError) as refused:
        resolve_addresses(origin_of("https://shop.example/a", {}), {})
    assert str(refused.value) == NOT_REACHED
    assert not isinstance(refused.value, RefusedError)


def test_a_public_name_is_looked_up_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(*PUBLIC))
    origin = origin_of("https://shop.example/a", {})
    assert resolve_addresses(origin, {}) == PUBLIC
    assert resolve_addresses(origin, {"allowPrivateRepositories": True}) == ()


def test_over_http_git_uses_the_addresses_that_were_checked(
    tmp_path: Path, directory: Path
) -> None:
    made = repository(tmp_path, {"a": "1"})
    with git_server(tmp_path) as server:
        port = server.address.rpartition(":")[2]
        output = listed(f"http://gone.invalid:{port}/origin/.git", ("127.0.0.1",))
    assert git(made, "rev-parse", "HEAD") in output.stdout


def test_over_http_no_redirect_is_followed(tmp_path: Path, directory: Path) -> None:
    repository(tmp_path, {"a": "1"})
    with git_server(tmp_path) as real:
        target = f"http://{real.address}/origin/.git"

        def redirect(handler: Any) -> None:
            handler.say(302, Location=f"{target}/info/refs?service=git-upload-pack")

        with http_server(redirect) as first:
            port = first.address.rpartition(":")[2]
            output = listed(f"http://gone.invalid:{port}/a", ("127.0.0.1",))
    assert "returned error: 302" in output.stderr


def listed(url: str, addresses: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """List a repository as handlers would, were these its server's addresses."""
    home = Path("home")
    home.mkdir()
    environment = prepare_environment(home, origin_of(url, {}), None, addresses)
    return subprocess.run(
        ["git", "ls-remote", url], env=environment, capture_output=True, text=True, check=False
    )


def test_git_s_own_protocol_is_given_the_address() -> None:
    origin = origin_of("git://git:9999/a/b.git", {})
    assert origin.with_address(PUBLIC).url == "git://8.8.8.8:9999/a/b.git"
    assert origin.with_address(PUBLIC[1:]).url == "git://[2606:4700:4700::1111]:9999/a/b.git"
    assert origin.with_address(()) == origin


@pytest.mark.parametrize(
    ("url", "known_as"),
    [
        ("ssh://git@shop.example/a", "shop.example"),
        ("ssh://git@shop.example:2222/a", "[shop.example]:2222"),
    ],
)
def test_ssh_is_given_the_address_and_knows_the_server_by_its_name(
    tmp_path: Path, url: str, known_as: str
) -> None:
    environment = prepare_environment(tmp_path, origin_of(url, {}), None, PUBLIC)
    options = shlex.split(environment["GIT_SSH_COMMAND"])
    assert "-oHostName=8.8.8.8" in options
    assert f"-oHostKeyAlias={known_as}" in options
    # The machine's own ssh understands them.
    subprocess.run([*options, "-G", "x"], check=True, capture_output=True)


def test_what_a_server_says_is_told_to_nobody(directory: Path) -> None:
    def secret(handler: Any) -> None:
        handler.send_response(500)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", "19")
        handler.end_headers()
        handler.wfile.write(b"the internal secret")

    with http_server(secret) as server, pytest.raises(GitError) as failed:
        clone(context_of(), f"http://{server.address}/a", Path("clone"))
    assert "returned error: 500" in str(failed.value)
    assert "secret" not in str(failed.value)


def banner(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.intranet ready\r\n")
    connection.recv(4_096)


@pytest.mark.parametrize("scheme", ["http", "git", "ssh", "https"])
def test_open_and_closed_ports_are_told_alike(directory: Path, scheme: str) -> None:
    messages = set()
    with tcp_server(banner) as address:
        port = int(address.rpartition(":")[2])
        messages.add(failed_at(f"{scheme}://127.0.0.1:{port}/a"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        messages.add(failed_at(f"{scheme}://127.0.0.1:{closed.getsockname()[1]}/a"))
    assert len(messages) == 1, messages


def failed_at(url: str) -> str:
    with pytest.raises(GitError) as failed:
        ingestion.execute(context_of(app_at(url)))
    return str(failed.value)


def test_files_that_are_there_and_not_are_told_alike(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "file").write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".git").write_text("gitdir: /etc/passwd")
    messages = set()
    for name in ("file", "folder", "linked", "missing", "file/below"):
        message = failed_at(str(tmp_path / name))
        messages.add(message.replace(f"{tmp_path}/{name}", "PATH"))
    assert len(messages) == 1, messages


def test_local_repositories_may_be_allowed_in_some_directories_alone(
    tmp_path: Path, directory: Path
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    inside = repository(allowed, {"a": "1"})
    other = repository(tmp_path, {"a": "1"})
    (allowed / "link").symlink_to(other)
    context = context_of(allowLocalPaths=[str(allowed)])
    assert clone(context, str(inside), Path("clone"))
    outside = (other, allowed / "link", f"{allowed}/../origin", f"{allowed}2")
    for path in outside:
        with pytest.raises(RefusedError, match="local paths are switched off here"):
            clone(context, str(path), Path("other"))
