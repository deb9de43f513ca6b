"""Which database and environment a service uses, as operators say and see it.

First the database's URL: made readable for libpq, and shown without secrets. Then the environment's
name and colour, so that nobody takes production for a place to try things.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

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


# Variables of the environment that are no options: what they mean, for the documentation.


@dataclass(frozen=True)
class Variable:
    """What an operator may set.

    Attributes:
        name: as the environment has it.
        default: what counts where it is left out, in Markdown; empty for nothing.
        meaning: what it does, in Markdown.
    """

    name: str
    default: str
    meaning: str


OF_LIBRARIES = (
    Variable(
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, …",
        "",
        "how the store of `--logs-store s3://…` is reached, as for every S3 client",
    ),
    Variable(
        "PGPASSFILE, PGSSLKEY, PGSSLMODE, …",
        "",
        "what `--database-url` leaves out, as for every PostgreSQL client",
    ),
    Variable(
        "XDG_DATA_HOME",
        "`~/.local/share`",
        "where the data directory of an ordinary user lies, as `apphub-jobs` in it",
    ),
    Variable("TMPDIR", "`/tmp`", "where the working directories of attempts and builds lie"),
    Variable("NO_COLOR", "", "anything: no colours on the terminal"),
)
