"""The database's URL: in libpq's form, and without its secrets in messages."""

import re
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

URL_FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"

ENCODING_HINT = "in a user's name or password, write @ : / ? # % as %40 %3A %2F %3F %23 %25"

_DRIVER = re.compile(r"postgres(?:ql)?\+\w+://", re.IGNORECASE)
"""A URL's scheme with a driver's name, as in SQLAlchemy's URLs."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

_DELIMITERS = re.compile(r"[/:@?#&=]")

MIN_SECRET = 3
"""Shorter pieces of a password are not replaced: they occur in many words."""


class DatabaseUrlError(ValueError):
    """The URL cannot be used; the message says why and what to do, and holds no secret."""


def libpq_url(text: str) -> str:
    """Return the URL, or other connection string, as libpq reads it.

    Raises:
        DatabaseUrlError: it is of another kind of server, or cannot be parsed.
    """
    url = _DRIVER.sub("postgresql://", text.strip(), count=1)
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme[1].lower() not in {"postgresql", "postgres"}:
        msg = f"{scheme[1]}:// is not PostgreSQL's; give {URL_FORM}"
        raise DatabaseUrlError(msg)
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        reason = without_secrets(str(error).strip(), url)
        msg = f"it cannot be read ({reason}); give {URL_FORM}; {ENCODING_HINT}"
        raise DatabaseUrlError(msg) from None
    host = str(parts.get("host") or "")
    ports = str(parts.get("port") or "").split(",")
    has_odd_port = any(port and not port.isdecimal() for port in ports)
    if has_odd_port or "@" in host:
        msg = f"its host or port is invalid; give {URL_FORM}; {ENCODING_HINT}"
        raise DatabaseUrlError(msg)
    return url


def without_secrets(text: str, url: str) -> str:
    """Return a message about a connection without any piece of its password.

    If the URL is broken, libpq may take a piece of the password for a host or a port.
    """
    pieces = {url} | (_secrets_of_url(url) if "://" in url else _secrets_of_keywords(url))
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= MIN_SECRET:
            text = text.replace(piece, "***")
    return text


def url_without_password(url: str) -> str:
    """Return the connection string without its password."""
    parts = conninfo_to_dict(url)
    public = {
        name: str(value)
        for name, value in parts.items()
        if name not in {"password", "passfile", "sslpassword"}
    }
    return make_conninfo("", **public)


def _secrets_of_url(url: str) -> set[str]:
    """Return what may be a piece of the password in `postgresql://…`."""
    _, _, rest = url.partition("://")
    secrets = {_password_of(url)}
    secrets |= set(re.findall(r"password=([^&\s]+)", rest))
    user_and_password, at, _ = rest.rpartition("@")
    if at:
        _, _, password = user_and_password.partition(":")
        pieces = _DELIMITERS.split(password)
        secrets |= {password, *pieces}
    return secrets


def _secrets_of_keywords(url: str) -> set[str]:
    """Return what may be a piece of the password in `host=… password=…`."""
    quoted_values = re.findall(r"password\s*=\s*('(?:[^'\\]|\\.)*'|\S+)", url)
    secrets = {secret.strip("'") for secret in quoted_values}
    # A word without a name may be the rest of a password that holds a blank.
    secrets |= {piece for piece in url.split() if "=" not in piece}
    return secrets


def _password_of(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
