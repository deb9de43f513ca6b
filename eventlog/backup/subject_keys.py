"""The keys of personal data, in a file beside the sets that each backup replaces.

A set holds no keys, or a restore would bring back persons who were erased after the backup. All
sets share one file instead, with the keys of the last backup: a restore of an older set cannot read
what was erased in between. These keys are wrapped by the master key, which is in no backup.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from typing_extensions import ReadOnly, TypedDict

from eventlog.backup.backup_set import BackupError
from eventlog.database.sql import LOG_ID
from eventlog.keys import MasterKeyFile
from eventlog.personal import INSERT_MASTER, MASTER, MasterRow
from projections.rows import Connection, read_first, read_rows, read_value
from runtime.files import write_atomically

FORMAT = "apphub-jobs subject keys 1"


class KeyRow(TypedDict):
    """A row of `subject_keys`, its bytes as hexadecimal digits."""

    key_id: ReadOnly[str]
    lookup: ReadOnly[str]
    wrapped: ReadOnly[str]
    master: ReadOnly[str]
    created_at: ReadOnly[str]


_KEYS = """
    SELECT key_id::text, encode(lookup, 'hex') AS lookup, encode(wrapped, 'hex') AS wrapped, master,
        created_at::text
    FROM subject_keys ORDER BY key_id
"""

_INSERT = """
    INSERT INTO subject_keys (key_id, lookup, wrapped, master, created_at)
    VALUES (%(key_id)s, decode(%(lookup)s, 'hex'), decode(%(wrapped)s, 'hex'), %(master)s,
        %(created_at)s)
"""


@dataclass(frozen=True)
class SubjectKeys:
    """The keys of a log's persons.

    Attributes:
        log_id: the log's id.
        read_at: when the keys were read, by the database's clock.
        master: id of the log's master key; None if it has none.
        keys: the persons' keys; during a rotation some are wrapped by the former master key.
    """

    log_id: str
    read_at: str
    master: str | None
    keys: Sequence[KeyRow]

    @property
    def ids(self) -> list[str]:
        """The ids of the persons' keys."""
        return [key["key_id"] for key in self.keys]

    def replace(self, path: Path) -> None:
        """Replace the file.

        Raises:
            BackupError: it has the keys of another log.
            OSError: it cannot be written.
        """
        if path.exists() and read_subject_keys(path).log_id != self.log_id:
            raise BackupError(f"{path} has the keys of another log: name another file by --keys")
        document = {"format": FORMAT, **vars(self)}
        write_atomically(path, orjson.dumps(document, option=orjson.OPT_INDENT_2), mode=0o600)

    def check_master(self, file: MasterKeyFile) -> None:
        """Check that the file of the master key opens these keys.

        Raises:
            SubjectKeysUnavailableError: it does not.
        """
        for master in {key["master"] for key in self.keys}:
            file.key(master)

    async def insert(self, connection: Connection) -> None:
        """Insert the keys into a database that has none."""
        if self.master is not None:
            await connection.execute(INSERT_MASTER, (self.master,))
        async with connection.cursor() as cursor:
            await cursor.executemany(_INSERT, self.keys)


async def keys_in_database(connection: Connection) -> SubjectKeys:
    """Return the keys as they are now; consistent if the connection is in a snapshot."""
    master = await read_first(connection, MasterRow, MASTER)
    return SubjectKeys(
        log_id=await read_value(connection, str, LOG_ID),
        read_at=await read_value(connection, str, "SELECT clock_timestamp() AS now"),
        master=None if master is None else master["id"],
        keys=await read_rows(connection, KeyRow, _KEYS),
    )


def read_subject_keys(path: Path) -> SubjectKeys:
    """Return the keys in a file.

    Raises:
        BackupError: it cannot be read.
    """
    try:
        document = orjson.loads(path.read_bytes())
        if document.pop("format") != FORMAT:
            raise BackupError(f"{path} is of another format than {FORMAT!r}")
        return SubjectKeys(**document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{path}, the keys of personal data, cannot be read: {error}") from None
