"""Where a repository lies: its checked address, and the credentials that git may show there.

Git is given an address that is put together from the parts that were checked, so that git and this
service cannot disagree about the host. It never carries a password.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from apphub_jobs.contract import Json
from worker.handlers.git.errors import RefusedError
from worker.handlers.untrusted.texts import redacted

_DEFAULT_PORTS = {"http": 80, "https": 443, "git": 9418, "ssh": 22}
_UNUSABLE = re.compile(r"[\n\r\x00]")
_HOST = re.compile(r"\w[\w.-]*|\[[0-9a-f:.]+\]")

NO_ADDRESS = (
    "the repository's address is neither an absolute path nor"
    " a file:, http:, https:, git: or ssh: URL"
)
NO_LOCAL_PATHS = (
    "repositories at local paths are switched off here;"
    " give an https:, ssh:, http: or git: URL"
)


@dataclass(frozen=True)
class Origin:
    """A checked address.

    Attributes:
        url: what git is given: no password, and a user only for ssh.
        host: in lower case, an IPv6 address in brackets; "" for a file.
        port: the one that is used, given or not; 0 for a file.
    """

    url: str
    scheme: str
    host: str = ""
    port: int = 0

    @property
    def shown(self) -> str:
        """The address for people: without a user, too."""
        return redacted(self.url)

    def at(self, addresses: Sequence[str]) -> "Origin":
        """Return what git is given where it must use one of these addresses.

        Only its own protocol has no other way to be told.
        """
        if not addresses or self.scheme != "git":
            return self
        address = in_url(addresses[0])
        _, _, _, *parts = self.url.split("/", 3)
        path = "".join(parts)
        url = f"git://{address}:{self.port}/{path}"
        return replace(self, url=url)

    @property
    def loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"


def in_url(address: str) -> str:
    """Return an address as URLs spell it: one of IPv6 in brackets."""
    if ":" in address:
        return f"[{address}]"
    return address


@dataclass(frozen=True)
class Password:
    """What the operator gave for a host over HTTP."""

    username: str
    password: str


@dataclass(frozen=True)
class SshKey:
    """What the operator gave for a host over ssh."""

    key_file: str
    known_hosts_file: str | None


def origin_of(repo_url: str, settings: Mapping[str, Json]) -> Origin:
    """Check an address.

    Raises:
        RefusedError: of no kind that is read, or of one that is switched off.
    """
    if not repo_url.isprintable() or repo_url != repo_url.strip():
        raise RefusedError(NO_ADDRESS)
    scheme, _, rest = repo_url.partition(":")
    if repo_url.startswith("/") or scheme.lower() == "file":
        allowed = settings.get("allowLocalPaths", True)
        if not allowed:
            raise RefusedError(NO_LOCAL_PATHS)
        path = repo_url
        if not repo_url.startswith("/"):
            path = _path_of_file_url(rest)
        if isinstance(allowed, list) and not _is_below(path, allowed):
            raise RefusedError(NO_LOCAL_PATHS)
        return _local(path)
    return _remote(repo_url)


def _is_below(path: str, directories: Sequence[Json]) -> bool:
    """Return whether a path leads into one of some directories, its links followed."""
    resolved = os.path.realpath(path)
    real = Path(resolved)
    for directory in directories:
        allowed = os.path.realpath(str(directory))
        if real.is_relative_to(allowed):
            return True
    return False


def _path_of_file_url(rest: str) -> str:
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise RefusedError(NO_ADDRESS)
        rest = slash + path
    return unquote(rest)


def _local(path: str) -> Origin:
    if not path.startswith("/"):
        raise RefusedError(NO_ADDRESS)
    # A file: URL: of a plain path, git ignores the depth, and links the files instead of reading.
    return Origin(f"file://{quote(path)}", "file")


def _remote(repo_url: str) -> Origin:
    try:
        parts = urlsplit(repo_url)
        port = parts.port
    except ValueError:
        raise RefusedError(NO_ADDRESS) from None
    scheme = parts.scheme
    userinfo, _, place = parts.netloc.rpartition("@")
    host = place
    if port is not None:
        host, _, _ = place.rpartition(":")
    host = host.rstrip(":").lower()
    if scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise RefusedError(NO_ADDRESS)
    user, _, _ = userinfo.partition(":")
    url = f"{scheme}://"
    if user and scheme == "ssh":
        url += f"{user}@"
    url += host
    if port is not None:
        url += f":{port}"
    url += parts.path
    if parts.query:
        url += f"?{parts.query}"
    if port is None:
        port = _DEFAULT_PORTS[scheme]
    return Origin(url, scheme, host, port)


def credentials_for(
    origin: Origin, settings: Mapping[str, Json], log: logging.Logger
) -> Password | SshKey | None:
    """Return what the operator gave for exactly this host, port and kind of connection.

    Returns:
        None where nothing fits.

    Raises:
        RefusedError: the entry for it is not as it should be.
    """
    entry = _entry_for(origin, settings)
    if entry is None:
        return None
    if origin.scheme == "ssh" and "sshKeyFile" in entry:
        key_file = _text(origin, entry, "sshKeyFile")
        if entry.get("knownHostsFile") is None:
            return SshKey(key_file, None)
        return SshKey(key_file, _text(origin, entry, "knownHostsFile"))
    if origin.scheme not in {"http", "https"} or "password" not in entry:
        return None
    is_open = origin.scheme == "http" and not origin.loopback
    if is_open and entry.get("allowHttp") is not True:
        log.warning(
            "the credentials for %s are not used: http would show them to everybody on the way",
            origin.host,
        )
        return None
    username = _text(origin, entry, "username")
    password = _text(origin, entry, "password")
    return Password(username, password)


def _entry_for(
    origin: Origin, settings: Mapping[str, Json]
) -> Mapping[str, Json] | None:
    """Return the entry HOST:PORT; HOST alone stands for the usual port only."""
    wanted = {f"{origin.host}:{origin.port}"}
    usual_port = _DEFAULT_PORTS.get(origin.scheme)
    if origin.port == usual_port:
        wanted.add(origin.host)
    given = settings.get("credentials")
    entries: Mapping[str, Mapping[str, Json]] = given or {}
    for name, entry in entries.items():
        place = str(name).lower()
        if place in wanted:
            return entry
    return None


def _text(origin: Origin, entry: Mapping[str, Json], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value or _UNUSABLE.search(value):
        raise RefusedError(
            f"the operator's credentials for {origin.host} lack a usable {field}"
        )
    return value
