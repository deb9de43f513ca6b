"""A set of files that holds one log as it was at one position, and the manifest that completes it.

First the manifest, then writing a set (`SetWriter`), then reading one (`BackupSet`). The manifest
is written last, when all else is on the disk: a directory without it is no backup, whatever it
holds.
"""

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

import orjson

from domain.json_values import JsonObject
from runtime.files import make_private, private_opener, sync_directory, write_whole

FORMAT = "apphub-jobs backup 1"

MANIFEST = "manifest.json"

ARCHIVES = "archive"
"""The directory of archive files in a set."""

RUN_LOGS = "run-logs"
"""The directory of copied run logs in a set."""

RUN_LOG_LIST = "run-logs.jsonl.gz"

KEY_LIST = "keys.json"
"""Which keys the log needs: their ids, never the keys."""

SEAL_HEAD = "seal.head"
"""The head of the last seal, as `seal export` prints it: `--root` takes it."""

READ_AT_ONCE = 1_048_576


class BackupError(Exception):
    """A set cannot be written or used; the message says why and what to do."""


@dataclass(frozen=True)
class SetFile:
    """A file of a set, by its path in the set.

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
    """A table whose rows lie in the set.

    Attributes:
        columns: in the order of the file, which has PostgreSQL's text format.
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
        version: of the program that wrote it.
        schema: the migration that the tables had.
        log_id: the log's id.
        taken_at: the database's time.
        position: of the log's last event in it.
        drawn: the last position that was drawn, which may have been rolled back.
        tables: those of the log.
        rows: number of rows of each table that follows from the log, and so is not in the set.
        archives: number of archive files.
        seal: None if the log was not sealed.
        subjects: number of persons whose keys existed.
        run_logs: `list` or `copy` of the logs of runs; None if they were left out.
        files: all other files, without copied run logs, which are in the list of run logs.
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
        """The size of all files that it names."""
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


def _manifest_in(path: Path) -> Manifest:
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
    """A file that is written once; it knows the size and the hash of what was written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._output: BinaryIO = open(path, "xb", opener=private_opener)  # noqa: SIM115
        self._hash = sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        """Write, and hash what was written."""
        self._hash.update(data)
        self.size_bytes += len(data)
        return self._output.write(data)

    def flush(self) -> None:
        """Hand all to the system; compressors call it."""
        self._output.flush()

    def close(self) -> str:
        """Wait until all is on the disk, and return the hash."""
        self._output.flush()
        os.fsync(self._output.fileno())
        self._output.close()
        return self._hash.hexdigest()


class SetWriter:
    """Writes a set into a new or empty directory.

    Attributes:
        files: what is complete so far.
    """

    def __init__(self, directory: Path) -> None:
        """Make the directory.

        Raises:
            BackupError: there is something in it.
            OSError: it cannot be made.
        """
        make_private(directory)
        if any(directory.iterdir()):
            raise BackupError(
                f"{directory} is not empty: give each backup a directory of its own, for example"
                " one named by the date; one that did not end may be removed"
            )
        self.directory = directory
        self.files: list[SetFile] = []

    @contextmanager
    def compressed(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file as gzip; it belongs to the set once the block has ended."""
        file = _HashedFile(self.directory / name)
        # Level 1 takes a third of the time of the default for a tenth more bytes.
        with gzip.GzipFile("", "wb", 1, cast("IO[bytes]", file), mtime=0) as packed:
            yield cast("IO[bytes]", packed)
        self.files.append(SetFile(name, file.size_bytes, file.close()))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        file = _HashedFile(self.directory / name)
        file.write(content)
        self.files.append(SetFile(name, file.size_bytes, file.close()))

    def copy(self, source: Path, name: str) -> SetFile:
        """Copy a file into the set, and return what was copied; it may be growing meanwhile.

        Raises:
            OSError: it cannot be read or written.
        """
        with source.open("rb") as opened:
            file = _HashedFile(self.directory / name)
            while chunk := opened.read(READ_AT_ONCE):
                file.write(chunk)
        return SetFile(name, file.size_bytes, file.close())

    def discard(self) -> None:
        """Remove all that was written, for the set cannot be completed."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest: from now on the directory is a backup."""
        for directory in {(self.directory / file.name).parent for file in self.files}:
            sync_directory(directory)
        write_whole(self.directory / MANIFEST, manifest.text(), mode=0o600)


class BackupSet:
    """A whole set.

    Attributes:
        directory: where it lies.
        manifest: what it holds.
    """

    def __init__(self, directory: Path) -> None:
        """Read the manifest.

        Raises:
            BackupError: the directory holds no whole set.
        """
        self.directory = directory
        self.manifest = _manifest_in(directory / MANIFEST)

    def check(self) -> Iterator[SetFile]:
        """Compare each file with its hash, and yield it; copied run logs are among them.

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
        digest = sha256()
        size = 0
        try:
            with path.open("rb") as opened:
                while chunk := opened.read(READ_AT_ONCE):
                    digest.update(chunk)
                    size += len(chunk)
        except OSError as error:
            raise BackupError(
                f"{path} cannot be read ({error.strerror}): take another set"
            ) from None
        if (size, digest.hexdigest()) != (file.size_bytes, file.sha256):
            raise BackupError(
                f"{path} is damaged: it has {size} bytes and the SHA-256 {digest.hexdigest()},"
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
        """Yield the run logs of the list; their names are paths in the set, if they are copied.

        Raises:
            BackupError: the list is not one.
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
