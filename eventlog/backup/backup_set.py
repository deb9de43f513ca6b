"""A set of files that holds one log as it was at one position, and the manifest that completes it.

First the manifest, then writing a set (`SetWriter`), then reading one (`BackupSet`). The manifest
is written last, once everything else is on the disk: a directory without it is no backup.
"""

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

import orjson

from domain.json_values import JsonObject
from runtime.files import make_private_directory, private_opener, sync_directory, write_atomically

FORMAT = "apphub-jobs backup 1"

MANIFEST = "manifest.json"

ARCHIVES = "archive"
"""The directory of archive files in a set."""

RUN_LOGS = "run-logs"
"""The directory of copied run logs in a set."""

RUN_LOG_LIST = "run-logs.jsonl.gz"

KEY_LIST = "keys.json"
"""The ids of the keys that the log needs; a set never holds the keys."""

SEAL_HEAD = "seal.head"
"""The head of the last seal, as `seal export` prints it; the option `--root` takes this file."""

READ_AT_ONCE = 1_048_576


class BackupError(Exception):
    """A set cannot be written or used; the message says why and what to do."""


@dataclass(frozen=True)
class SetFile:
    """A file of a set.

    Attributes:
        name: its path in the set.
        size_bytes: its size.
        sha256: the hash of its content, in hexadecimal.

    Raises:
        ValueError: the path leads out of the set.
    """

    name: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        """Check the path: manifest and lists may come from anywhere."""
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts:
            msg = f"the path {self.name!r} leads out of the backup"
            raise ValueError(msg)


@dataclass(frozen=True)
class CopiedTable:
    """A table whose rows are in the set.

    Attributes:
        name: the table's name.
        columns: its columns, in the order of the file, which has PostgreSQL's text format.
        rows: number of rows.
    """

    name: str
    columns: list[str]
    rows: int

    @property
    def file(self) -> str:
        """The path of its file in the set."""
        return f"tables/{self.name}.copy.gz"


@dataclass(frozen=True)
class LastSeal:
    """The last seal of the log in a set; `SEAL_HEAD` has all of its head."""

    number: int
    position: int
    key: str


@dataclass(frozen=True)
class Manifest:
    """What a set holds.

    Attributes:
        version: version of the program that wrote it.
        schema: the last migration of the tables.
        log_id: the log's id.
        taken_at: the database's time.
        position: position of the log's last event in the set.
        drawn: the last position that the sequence gave out; its event may have been rolled back.
        tables: the log's tables.
        rows: by table, the number of rows of the tables that follow from the log, and so are not in
            the set.
        archives: number of archive files.
        seal: the last seal; None if the log was not sealed.
        subjects: number of persons whose keys existed.
        run_logs: `list` if the set names the logs of runs, `copy` if it has them; None if neither.
        files: all other files but copied run logs, which the list of run logs names.
    """

    version: str
    schema: str
    log_id: str
    taken_at: str
    position: int
    drawn: int
    tables: list[CopiedTable]
    rows: dict[str, int]
    archives: int
    seal: LastSeal | None
    subjects: int
    run_logs: str | None
    files: list[SetFile] = field(default_factory=list)

    @property
    def events(self) -> int:
        """The number of events that are not in archive files."""
        return sum(table.rows for table in self.tables if table.name == "jobs_events")

    @property
    def size_bytes(self) -> int:
        """The size of all its `files` together."""
        return sum(file.size_bytes for file in self.files)

    def present(self) -> JsonObject:
        """Return it as JSON, without the files."""
        document: JsonObject = {"format": FORMAT, **asdict(self)}
        del document["files"]
        return document

    def text(self) -> bytes:
        """Return the content of the manifest's file."""
        document = {"format": FORMAT, **asdict(self)}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _read_manifest(path: Path) -> Manifest:
    try:
        document = orjson.loads(path.read_bytes())
        if document.pop("format") != FORMAT:
            raise BackupError(f"{path} is of another format than {FORMAT!r}")
        document["tables"] = [CopiedTable(**table) for table in document["tables"]]
        if document["seal"] is not None:
            document["seal"] = LastSeal(**document["seal"])
        document["files"] = [SetFile(**file) for file in document["files"]]
        return Manifest(**document)
    except FileNotFoundError:
        raise BackupError(
            f"{path.parent} has no {MANIFEST}: its backup did not end, or it is another directory"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{path} cannot be read: {error!r}") from None


class _HashedFile:
    """A file that is written once, and counts and hashes its content meanwhile."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._output: BinaryIO = open(path, "xb", opener=private_opener)  # noqa: SIM115
        self._hash = sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        """Write data, and hash them."""
        self._hash.update(data)
        self.size_bytes += len(data)
        return self._output.write(data)

    def flush(self) -> None:
        """Flush the buffer; compressors call this."""
        self._output.flush()

    def close(self) -> str:
        """Wait until everything is on the disk, and return the hash in hexadecimal."""
        self._output.flush()
        os.fsync(self._output.fileno())
        self._output.close()
        return self._hash.hexdigest()


class SetWriter:
    """Writes a set into a new or empty directory.

    Attributes:
        directory: the set's directory.
        files: the files that are complete so far.
    """

    def __init__(self, directory: Path) -> None:
        """Make the directory.

        Raises:
            BackupError: it is not empty.
            OSError: it cannot be made.
        """
        make_private_directory(directory)
        if any(directory.iterdir()):
            raise BackupError(
                f"{directory} is not empty: give each backup a directory of its own, for example"
                " one named by the date; one that did not end may be removed"
            )
        self.directory = directory
        self.files: list[SetFile] = []

    @contextmanager
    def compressed(self, name: str) -> Iterator[IO[bytes]]:
        """Write a gzip file; it belongs to the set once the block has ended."""
        file = _HashedFile(self.directory / name)
        # Level 1 takes a third of the default level's time, for a tenth more bytes.
        with gzip.GzipFile("", "wb", 1, cast("IO[bytes]", file), mtime=0) as gzip_file:
            yield cast("IO[bytes]", gzip_file)
        self.files.append(SetFile(name, file.size_bytes, file.close()))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        file = _HashedFile(self.directory / name)
        file.write(content)
        self.files.append(SetFile(name, file.size_bytes, file.close()))

    def copy(self, source: Path, name: str) -> SetFile:
        """Copy a file, which may still grow, into the set; return the copy, not yet in `files`.

        Raises:
            OSError: it cannot be read or written.
        """
        with source.open("rb") as source_file:
            file = _HashedFile(self.directory / name)
            while chunk := source_file.read(READ_AT_ONCE):
                file.write(chunk)
        return SetFile(name, file.size_bytes, file.close())

    def discard(self) -> None:
        """Remove everything that was written: the set cannot be completed."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: from now on the directory is a backup."""
        for directory in {(self.directory / file.name).parent for file in self.files}:
            sync_directory(directory)
        write_atomically(self.directory / MANIFEST, manifest.text(), mode=0o600)


class BackupSet:
    """A complete set.

    Attributes:
        directory: its directory.
        manifest: its manifest.
    """

    def __init__(self, directory: Path) -> None:
        """Read the manifest.

        Raises:
            BackupError: the directory holds no complete set.
        """
        self.directory = directory
        self.manifest = _read_manifest(directory / MANIFEST)

    def check(self) -> Iterator[SetFile]:
        """Compare each file, copied run logs included, with its hash; yield it afterwards.

        Raises:
            BackupError: a file is missing or damaged.
        """
        for file in self.manifest.files:
            self._check(file)
            yield file
        if self.manifest.run_logs == "copy":
            for log in self.run_logs():
                self._check(log)
                yield log

    def _check(self, file: SetFile) -> None:
        path = self.directory / file.name
        try:
            with path.open("rb") as content:
                actual_hash = file_digest(content, "sha256").hexdigest()
                size = content.tell()
        except OSError as error:
            raise BackupError(
                f"{path} cannot be read ({error.strerror}): take another set"
            ) from None
        if (size, actual_hash) != (file.size_bytes, file.sha256):
            raise BackupError(
                f"{path} is damaged: it has {size} bytes and the SHA-256 {actual_hash},"
                f" and was written with {file.size_bytes} bytes and {file.sha256}; take another set"
            )

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a compressed file.

        Raises:
            OSError: it cannot be read.
        """
        with gzip.open(self.directory / name, "rb") as file:
            yield from file

    def run_logs(self) -> Iterator[SetFile]:
        """Yield the run logs that the set names; if it has copies, the names are their paths.

        Raises:
            BackupError: the list of run logs cannot be read.
        """
        for line in self.lines(RUN_LOG_LIST):
            try:
                yield SetFile(**orjson.loads(line))
            except (ValueError, TypeError) as error:
                raise BackupError(f"{RUN_LOG_LIST} cannot be read: {error}") from None

    def key_ids(self) -> list[str]:
        """Return the ids of the keys of persons that existed when the set was written."""
        document = orjson.loads((self.directory / KEY_LIST).read_bytes())
        return cast("list[str]", document["subjects"])
