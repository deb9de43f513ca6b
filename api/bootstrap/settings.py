"""What an operator decides, read by the command line and passed down."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.access import Hosts, Origins, Tokens
from eventlog.archive.retention import Archiving
from eventlog.database.connection import Database
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.seal.sealer import Sealing
from runtime.process import ClockShift

# The database's URL as an operator gives it: made what libpq reads, and shown without secrets.

SHAPE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"

ENCODE = "in a user's name or password, write @ : / ? # % as %40 %3A %2F %3F %23 %25"

_DRIVER = re.compile(r"postgres(?:ql)?\+\w+://", re.IGNORECASE)
"""How libraries of other programs name themselves in a URL: the server is the same."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

_DELIMITERS = re.compile(r"[/:@?#&=]")

SHORTEST_SECRET = 3
"""A shorter piece of a password is no secret, and part of many words."""


class DatabaseUrlError(ValueError):
    """The URL cannot be used; the message says why and what to do, and holds no secret."""


def readable_url(given: str) -> str:
    """Return the URL, or other connection string, as libpq reads it.

    Raises:
        DatabaseUrlError: it is of another kind of server, or cannot be taken apart.
    """
    url = _DRIVER.sub("postgresql://", given.strip(), count=1)
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme[1].lower() not in {"postgresql", "postgres"}:
        msg = f"{scheme[1]}:// is not PostgreSQL's; give {SHAPE}"
        raise DatabaseUrlError(msg)
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        said = str(error).strip()
        reason = without_secrets(said, url)
        msg = f"it cannot be read ({reason}); give {SHAPE}; {ENCODE}"
        raise DatabaseUrlError(msg) from None
    host = str(parts.get("host") or "")
    port = str(parts.get("port") or "")
    ports = port.split(",")
    has_odd_port = any(one and not one.isdecimal() for one in ports)
    if has_odd_port or "@" in host:
        msg = f"its host or port is none; give {SHAPE}; {ENCODE}"
        raise DatabaseUrlError(msg)
    return url


def without_secrets(text: str, url: str) -> str:
    """Return a message about a connection without any piece of its password.

    Where the URL is broken, what libpq takes for a host or a port may be a piece of it.
    """
    for secret in _secrets(url):
        text = text.replace(secret, "***")
    return text


def shown_url(url: str) -> str:
    """Return the connection string for people: without its password."""
    parts = conninfo_to_dict(url)
    known = {
        name: str(value)
        for name, value in parts.items()
        if name not in {"password", "passfile", "sslpassword"}
    }
    return make_conninfo("", **known)


def _secrets(url: str) -> list[str]:
    """Return whatever may be a piece of the password, the longest first."""
    found = {url}
    if "://" in url:
        found |= _secrets_of_url(url)
    else:
        found |= _secrets_of_words(url)
    secrets = [piece for piece in found if len(piece) >= SHORTEST_SECRET]
    return sorted(secrets, key=len, reverse=True)


def _secrets_of_url(url: str) -> set[str]:
    """Return what may be a piece of the password in `postgresql://…`."""
    _, _, rest = url.partition("://")
    found = {_password_of(url)}
    found |= set(re.findall(r"password=([^&\s]+)", rest))
    user_and_password, at, _ = rest.rpartition("@")
    if at:
        _, _, password = user_and_password.partition(":")
        pieces = _DELIMITERS.split(password)
        found |= {password, *pieces}
    return found


def _secrets_of_words(url: str) -> set[str]:
    """Return what may be a piece of the password in `host=… password=…`."""
    quoted = re.findall(r"password\s*=\s*('(?:[^'\\]|\\.)*'|\S+)", url)
    found = {secret.strip("'") for secret in quoted}
    # A word without a name may be the rest of a password that holds a blank.
    found |= {piece for piece in url.split() if "=" not in piece}
    return found


def _password_of(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


# Which environment this is, so that nobody takes production for a place to try things.


class Colour(StrEnum):
    """The colours that an environment may be marked with."""

    RED = "red"
    ORANGE = "orange"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    GREY = "grey"


@dataclass(frozen=True)
class Environment:
    """What the dashboard calls the service.

    Attributes:
        name: such as `production`; empty for none.
        colour: of the mark beside the name. Where it is red, dangerous actions ask for the name.
    """

    name: str = ""
    colour: Colour = Colour.GREY


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
