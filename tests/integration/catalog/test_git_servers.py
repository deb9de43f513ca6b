"""Servers that a repository's address may lead to: bounded, asked for nothing, told nothing."""

import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from socket import socket
from time import monotonic, sleep
from typing import Any

import pytest

from catalog.handlers import ingest as ingestion
from catalog.handlers import origin as home
from catalog.handlers.git import CanceledError, GitError, RefusedError, clone
from tests.support.git.git_servers import git_server, http_server, packet, serve_pack, tcp_server
from tests.support.git.repositories import app_at, context_of, git, repository
from tests.support.processes import eventually


@pytest.fixture(autouse=True)
def nothing_left(directory: Path) -> Iterator[None]:
    """Look for processes that a clone left behind: all of git's know the attempt's directory."""
    yield
    eventually(lambda: not processes_of(directory), what="the end of all that git had started")


def processes_of(directory: Path) -> list[str]:
    requests = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"GIT_CONFIG_GLOBAL={directory}/".encode() in (process / "environ").read_bytes():
                requests.append((process / "comm").read_text())
    return requests


def forever(*chunks: bytes, pause_s: float = 0.02) -> Iterator[bytes]:
    """Give the first chunk, then the second for ever; the test's end breaks the connection."""
    yield chunks[0]
    while True:
        sleep(pause_s)
        yield chunks[-1]


def slow_page(handler: Any) -> None:
    """Send a page without an end, byte by byte."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
    handler.end_headers()
    for chunk in forever(b"001e# service=git-upload-pack\n0000", b"0"):
        handler.wfile.write(chunk)


def silent(connection: socket) -> None:
    """Accept, and say nothing."""
    while connection.recv(4_096):
        pass


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_server_that_says_nothing_is_given_up(scheme: str) -> None:
    with (
        tcp_server(silent) as address,
        pytest.raises(GitError, match=r"took longer than 0\.7 s and was stopped"),
    ):
        clone(context_of(cloneTimeoutMs=700), f"{scheme}://{address}/shop.git", Path("clone"))


def test_a_server_that_sends_slowly_for_ever_is_given_up() -> None:
    with http_server(slow_page) as server, pytest.raises(GitError, match="took longer than 1 s"):
        clone(context_of(cloneTimeoutMs=1_000), f"http://{server.address}/shop.git", Path("clone"))


def test_a_pack_that_comes_slowly_for_ever_is_given_up() -> None:
    chunks = forever(b"PACK\0\0\0\2\0\0\0\1", b"\x80", pause_s=0.1)
    with (
        tcp_server(lambda connection: serve_pack(connection, chunks)) as address,
        pytest.raises(GitError, match="took longer than 1 s"),
    ):
        clone(context_of(cloneTimeoutMs=1_000), f"git://{address}/shop.git", Path("clone"))


def test_a_web_server_that_stalls_is_given_up_before_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(home, "STALL_S", 1)
    with (
        tcp_server(silent) as address,
        pytest.raises(GitError, match=r"less than 1000 bytes/sec|too slow"),
    ):
        clone(context_of(), f"http://{address}/shop.git", Path("clone"))


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_cancel_is_heard_while_a_server_says_nothing(scheme: str) -> None:
    def hang(connection: socket) -> None:
        connection.recv(4_096)
        context.cancelled.set()
        silent(connection)

    with tcp_server(hang) as address:
        context = context_of(app_at(f"{scheme}://{address}/shop.git"))
        started = monotonic()
        result = ingestion.execute(context)
    assert (result.status, result.error_message) == ("canceled", "canceled while cloning")
    assert monotonic() - started < 60


# What it sends ------------------------------------------------------------------------------------


@pytest.mark.timeout(150)
def test_a_pack_without_an_end_is_stopped_at_the_size_limit() -> None:
    # A blob whose header promises 32 GB, and whose content is not compressed: it comes as fast as
    # it is sent.
    header = b"PACK\0\0\0\2\0\0\0\1" + b"\xb0" + b"\xff" * 4 + b"\x7f" + b"\x78\x01"
    stored = b"\0\xff\xff\0\0" + os.urandom(65_535)

    def answer(connection: socket) -> None:
        serve_pack(connection, forever(header, stored, pause_s=0))

    with (
        tcp_server(answer) as address,
        pytest.raises(RefusedError, match="the repository takes more than 3 MB"),
    ):
        clone(context_of(cloneMaxBytes=3_000_000), f"git://{address}/shop.git", Path("clone"))


def test_what_a_server_says_is_kept_short_and_cannot_steer_a_terminal() -> None:
    chatter = packet(b"\2" + (b"\x1b[31m" + b"x" * 900 + b"\n") * 70)
    chunks = chain(repeat(chatter, 600), [packet(b"\3out of order\n"), b"0000"])

    def answer(connection: socket) -> None:
        serve_pack(connection, chunks, more="side-band-64k")

    tracemalloc.start()
    with tcp_server(answer) as address, pytest.raises(GitError, match="early EOF") as failed:
        clone(context_of(), f"git://{address}/shop.git", Path("clone"))
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 10_000_000  # Of the forty million that it said.
    assert len(str(failed.value)) < 4_000
    assert "\x1b" not in str(failed.value)
    assert "xxx" not in str(failed.value)
    assert "out of order" not in str(failed.value)


def test_a_page_that_is_no_repository_is_refused() -> None:
    with (
        http_server(lambda handler: handler.say(200, b"<html>")) as server,
        pytest.raises(GitError),
    ):
        clone(context_of(), f"http://{server.address}/shop.git", Path("clone"))


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "the server refuses access", RefusedError),
        (404, "not found", GitError),
        (500, "returned error: 500", GitError),
    ],
)
def test_a_refusal_is_told_and_another_attempt_made_where_it_may_help(
    status: int, message: str, kind: type[GitError]
) -> None:
    with (
        http_server(lambda handler: handler.say(status)) as server,
        pytest.raises(GitError, match=message) as failed,
    ):
        clone(context_of(), f"http://{server.address}/shop.git", Path("clone"))
    assert type(failed.value) is kind


# Redirects ----------------------------------------------------------------------------------------


def redirect_to(target: str) -> Callable[[Any], None]:
    """Answer every request by the address of the same page elsewhere."""
    return lambda handler: handler.say(302, Location=target + handler.path)


def test_a_redirect_to_another_host_is_followed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    origin = repository(tmp_path, {"a": "1"})
    with (
        git_server(tmp_path) as real,
        http_server(redirect_to(f"http://x:y@{real.address}")) as first,
    ):
        sha = clone(context_of(), f"http://{first.address}/origin/.git", Path("clone"))
    assert sha == git(origin, "rev-parse", "HEAD")
    assert f"git: warning: redirecting to http://{real.address}/origin/.git/" in caplog.text


@pytest.mark.parametrize("scheme", ["file", "git", "ftp", "ext"])
def test_a_redirect_to_another_kind_of_address_is_refused(tmp_path: Path, scheme: str) -> None:
    repository(tmp_path, {"a": "1"})
    connected: list[socket] = []
    with tcp_server(connected.append) as port:
        target = redirect_to(f"{scheme}://{'' if scheme == 'file' else port}{tmp_path}")
        with http_server(target) as server, pytest.raises(GitError, match="unable to access"):
            clone(context_of(), f"http://{server.address}/origin/.git", Path("clone"))
    assert connected == []


def test_redirects_in_a_loop_end() -> None:
    def answer(handler: Any) -> None:
        redirect_to(f"http://{server.address}")(handler)

    with http_server(answer) as server, pytest.raises(GitError, match="redirects followed"):
        clone(context_of(), f"http://{server.address}/shop.git", Path("clone"))
    assert len(server.authorizations) < 30


def test_a_cancel_before_the_start_is_heard(tmp_path: Path) -> None:
    context = context_of()
    context.cancelled.set()
    with pytest.raises(CanceledError):
        clone(context, str(repository(tmp_path, {"a": "1"})), Path("clone"))
