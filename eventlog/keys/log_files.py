"""What belongs to a log and lies in files beside its database."""

from dataclasses import dataclass
from pathlib import Path

from eventlog.keys.master import MasterKeyFile


@dataclass(frozen=True)
class LogFiles:
    """Where the files of a log are. The composition root hands them to whoever reads the log.

    Attributes:
        archive: the directory of archive files; None where none is given, so that a log with
            archived events cannot be read.
        master_keys: the master key of personal data; None where nobody is to read such data.
    """

    archive: Path | None = None
    master_keys: MasterKeyFile | None = None
