"""What an operator decides, read by the command line and passed down."""

from dataclasses import dataclass, field
from pathlib import Path

from api.access import Hosts, Origins, Tokens
from api.bootstrap.environment import Environment
from eventlog.archive.retention import Archiving
from eventlog.database.connection import Database
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.seal.sealer import Sealing
from runtime.process import ClockShift

SUBJECT_KEY_NAME = "subjects.key"
"""The master key of personal data, in the data directory unless the operator says otherwise."""


@dataclass(frozen=True)
class Settings:
    """What an operator decides.

    The command line reads it, this module passes it on, nobody else looks it up.

    Attributes:
        database_url: any libpq connection string.
        data_dir: where logs of runs lie, or wait for their store, and the embedded server if there
            is one.
        archive: where files of archived events lie; None leaves them unreadable.
        archiving: how this process archives what jobs keep no longer; None leaves that to others.
        logs_store: URL of the object store of logs; None keeps them in the data directory.
        tokens: who may do what; None leaves the API open (for a machine of one's own).
        hosts: the names by which the API may be called; None for any.
        origins: the web pages from elsewhere that may use the API.
        trusted_proxies: addresses and networks of proxies whose word on where a client is is taken.
        sealing: how this process seals the log; None leaves that to others.
        subject_key: file of the master key of personal data; None means `subjects.key` in the data
            directory.
        wait_for_database_s: how long a start waits for a database that is away.
        clock_shift: by how much the clock is ahead, in a test service; None in all others.
        environment: what the dashboard calls this service.
        local_repositories: whether apps may name repositories on the workers' own file system.
    """

    database_url: str
    data_dir: Path
    archive: Path | None = None
    archiving: Archiving | None = None
    tokens: Tokens | None = None
    hosts: Hosts | None = None
    origins: Origins = field(default_factory=Origins)
    trusted_proxies: tuple[str, ...] = ()
    environment: Environment = field(default_factory=Environment)
    local_repositories: bool = True
    logs_store: str | None = None
    sealing: Sealing | None = None
    subject_key: Path | None = None
    wait_for_database_s: float = 0.0
    clock_shift: ClockShift | None = None

    @property
    def database(self) -> Database:
        """Where the log is, with what opens its personal data and its archived part."""
        key_file = self.subject_key or self.data_dir / SUBJECT_KEY_NAME
        key = MasterKeyFile(key_file)
        return Database(self.database_url, LogFiles(self.archive, key))
