"""Repositories that mean harm: each attack on disk, memory, time or files is refused and named."""

import os
import struct
import zlib
from hashlib import sha1
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from apphub_jobs.contract import JobResult, PermanentError
from catalog.handlers import ingest
from catalog.handlers.git import RefusedError, clone
from catalog.handlers.untrusted import MAX_ENTRIES
from tests.support.git.git_servers import serve_pack, tcp_server
from tests.support.git.repositories import app_at, committed, context_of, git, repository
from tests.support.slow import slow

pytestmark = pytest.mark.usefixtures("directory")


def ingested(origin: Path, **settings: Any) -> JobResult:
    return ingest.execute(context_of(app_at(str(origin)), **settings))


def written() -> list[str]:
    """Return what a clone that was refused has written beside git's own files."""
    return (
        [path.name for path in Path("clone").iterdir() if path.name != ".git"]
        if Path("clone").exists()
        else []
    )


# Size ---------------------------------------------------------------------------------------------


def test_a_repository_that_is_too_large_is_refused(tmp_path: Path) -> None:
    origin = repository(tmp_path, {"Dockerfile": "FROM scratch", "large": os.urandom(3_000_000)})
    with pytest.raises(RefusedError, match="the repository takes more than 2 MB"):
        ingested(origin, cloneMaxBytes=2_000_000)
    assert written() == []


def test_a_small_pack_of_giant_files_is_refused_before_one_is_written(tmp_path: Path) -> None:
    origin = repository(
        tmp_path, {f"zeros{number}": bytes(2_000_000) + bytes([number]) for number in range(8)}
    )
    assert sum(path.stat().st_size for path in origin.glob(".git/objects/*/*")) < 1_000_000
    with pytest.raises(RefusedError, match="the repository takes more than 10 MB"):
        ingested(origin, cloneMaxBytes=10_000_000)
    assert written() == []


@pytest.mark.timeout(150)
def test_a_tree_of_ten_billion_files_in_a_dozen_objects_is_refused(tmp_path: Path) -> None:
    origin = repository(tmp_path, {})
    blob = git(origin, "hash-object", "-w", "--stdin", stdin=b"x")
    entries = "".join(f"100644 blob {blob}\t{number}\n" for number in range(10))
    with pytest.raises(RefusedError, match="more than 200000 files and directories"):
        ingested(committed(origin, entries, levels=10))
    assert written() == []


def test_directories_count_too(tmp_path: Path) -> None:
    origin = repository(tmp_path, {"a/b/c/d/e": "1", "f": "2"})
    clone(context_of(cloneMaxEntries=6), str(origin), Path("fits"))
    with pytest.raises(RefusedError, match="more than 5 files and directories"):
        clone(context_of(cloneMaxEntries=5), str(origin), Path("clone"))


def with_files(root: Path, count: int) -> Path:
    """Return a repository of this many files in one directory, and a Dockerfile found last."""
    origin = repository(root, {})
    blob = git(origin, "hash-object", "-w", "--stdin", stdin=b"FROM scratch\n")
    names = [*(f"file{number:06}" for number in range(count - 1)), "z.dockerfile"]
    return committed(origin, "".join(f"100644 blob {blob}\t{name}\n" for name in names))


@pytest.mark.parametrize("most", [10_000, slow(100_000)])
def test_many_entries_are_counted_before_one_is_written(tmp_path: Path, most: int) -> None:
    with pytest.raises(RefusedError, match=f"more than {most} files and directories"):
        ingested(with_files(tmp_path, most + 1), cloneMaxEntries=most)
    assert written() == []


def test_many_entries_are_cloned_and_the_search_among_them_ends(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="Dockerfile not found"):
        ingested(with_files(tmp_path, MAX_ENTRIES + 1))
    assert len(written()) == MAX_ENTRIES + 1


# What an object unpacks to ------------------------------------------------------------------------


def varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def entry_of_a_pack(kind: int, size: int, content: bytes, before: bytes = b"") -> bytes:
    head = [kind << 4 | size & 15 | (128 if size > 15 else 0)]
    return bytes(head) + (varint(size >> 4) if size > 15 else b"") + before + zlib.compress(content)


@pytest.mark.timeout(150)
def test_a_small_pack_that_unpacks_to_gigabytes_of_memory_is_refused() -> None:
    """A delta of sixteen kilobytes that copies the same megabyte eight thousand times."""
    megabyte = bytes(1_048_576)
    base = sha1(b"blob %d\0" % len(megabyte) + megabyte).digest()
    copy = b"\xc0\x10"  # From offset 0, as many bytes as its third byte of size says.
    delta = varint(len(megabyte)) + varint(8_192 * len(megabyte)) + copy * 8_192
    entries = entry_of_a_pack(3, len(megabyte), megabyte) + entry_of_a_pack(
        7, len(delta), delta, base
    )
    pack = b"PACK" + struct.pack(">II", 2, 2) + entries
    pack += sha1(pack).digest()

    def answer(connection: socket) -> None:
        serve_pack(connection, [pack])

    with (
        tcp_server(answer) as address,
        pytest.raises(RefusedError, match="takes more memory than a clone may use"),
    ):
        clone(context_of(), f"git://{address}/shop.git", Path("clone"))
