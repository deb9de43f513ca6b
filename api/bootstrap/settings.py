"""The operator's settings, read by the command line and passed down."""

from dataclasses import dataclass, field
from pathlib import Path

from api.access import Tokens
from api.bootstrap.environment import Environment
from api.origins import Hosts, Origins
from eventlog.archive.retention import Archiving
from eventlog.database.connection import Database
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.seal.sealer import Sealing
from runtime.process import ClockShift

SUBJECT_KEY_NAME = "subjects.key"
"""The default file of the master key of personal data, in the data directory."""


@dataclass(frozen=True)
class Settings:
    """The operator's settings; only the command line reads options and the environment.

    Attributes:
        database_url: any libpq connection string.
        data_dir: holds run logs, or their spool, and the embedded server if there is one.
        archive: the directory of archived events; None if they cannot be read.
        archiving: how this process archives runs after their retention; None leaves that to others.
        logs_store: URL of the object store of logs; None keeps them in the data directory.
        tokens: the API's tokens; None for an open API.
        hosts: the host names that the API answers to; None for any.
        origins: the web pages of other origins that may use the API.
        trusted_proxies: addresses and networks of proxies that may name a client's address.
        sealing: how this process seals the log; None leaves that to others.
        subject_key: file of the master key of personal data; None means `subjects.key` in the data
            directory.
        wait_for_database_s: how long a start waits for a database that cannot be reached.
        clock_shift: the shift of a test service's clock; None in all other services.
        environment: the service's name and colour in the dashboard.
        traced_as: the service's name in traces, unless a variable of OpenTelemetry gives another;
            None sends no traces.
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
    traced_as: str | None = None

    @property
    def database(self) -> Database:
        """The log's database, with its archive and the master key of its personal data."""
        key = MasterKeyFile(self.subject_key or self.data_dir / SUBJECT_KEY_NAME)
        return Database(self.database_url, LogFiles(self.archive, key))
