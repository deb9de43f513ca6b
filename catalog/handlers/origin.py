"""Where a repository lies: its checked address, and the credentials that git may show there.

Git is given an address that is put together from the parts that were checked, so that git and this
service cannot disagree about the host. It never carries a password.

First the errors, then the address (`Origin`, `origin_of`) and its credentials; then git's private
settings, instead of the host's; then git's own messages, made safe to show; last which servers may
be reached at all.
"""

import logging
import os
import re
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from apphub_jobs.contract import Json, PermanentError
from catalog.handlers.untrusted import redacted, shown


class GitError(Exception):
    """Git failed; the message is what it said, without credentials. Another try may do better."""


class RefusedError(GitError, PermanentError):
    """The repository is not read: a rule or a bound of this service forbids it, and would again."""


class CanceledError(Exception):
    """The run was canceled while git worked."""


_DEFAULT_PORTS = {"http": 80, "https": 443, "git": 9418, "ssh": 22}
_UNUSABLE = re.compile(r"[\n\r\x00]")
_HOST = re.compile(r"\w[\w.-]*|\[[0-9a-f:.]+\]")

NO_ADDRESS = (
    "the repository's address is neither an absolute path nor"
    " a file:, http:, https:, git: or ssh: URL"
)
NO_LOCAL_PATHS = (
    "repositories at local paths are switched off here; give an https:, ssh:, http: or git: URL"
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


def _entry_for(origin: Origin, settings: Mapping[str, Json]) -> Mapping[str, Json] | None:
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
        raise RefusedError(f"the operator's credentials for {origin.host} lack a usable {field}")
    return value


# Git's settings in a private directory, instead of the host's: no credential or program of the
# host.

STALL_S = 60
"""An HTTP server that sends less than a kilobyte a second for this long is given up."""

CONNECT_TIMEOUT_S = 20

SSH_PORT = 22

_KEPT = (
    "PATH",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
)
"""What git gets of the environment. Proxies, agents and client certificates are the host's, and are
not among it."""

# Repositories of another owner are read on purpose; git takes that from a file alone.
_CONFIG = """\
[safe]
	directory = *
[core]
	hooksPath = /dev/null
	fsmonitor = false
	attributesFile = /dev/null
	excludesFile = /dev/null
[credential]
	helper =
[submodule]
	recurse = false
[gc]
	auto = 0
[maintenance]
	auto = false
[transfer]
	bundleURI = false
[http]
	lowSpeedLimit = 1000
	lowSpeedTime = {stall_s}
	emptyAuth = false
	followRedirects = {follow}
"""


def furnish(
    home: Path, origin: Origin, credentials: Password | SshKey | None, addresses: Sequence[str] = ()
) -> dict[str, str]:
    """Write git's settings into a private, empty directory, and return git's whole environment.

    Where `addresses` are given, git connects to those alone, whatever the origin's host or another
    is called by then, and follows no redirect.

    A password stands in none of them. Git's helper reads it from a pipe (`password_pipe`), and only
    for this host: neither a file, which other attempts of this user may find, nor the URL, a
    command line or a variable holds it.
    """
    follow = "initial"
    if addresses or credentials is not None:
        follow = "false"
    config = _CONFIG.format(stall_s=STALL_S, follow=follow)
    if addresses:
        config += _pinned(origin.port, addresses)
    key: SshKey | None = None
    if isinstance(credentials, Password):
        config += _helper_for(origin)
    else:
        key = credentials
    _write_private(home / "gitconfig", config)
    ssh = ssh_command(key)
    if addresses and origin.scheme == "ssh":
        ssh = ssh_command(key, origin, addresses[0])
    return _environment(home, origin, ssh)


def _pinned(port: int, addresses: Sequence[str]) -> str:
    """Return the line of `[http]` that leads every name to these addresses."""
    listed = ",".join(map(in_url, addresses))
    return f'\tcurloptResolve = "*:{port}:{listed}"\n'


def _helper_for(origin: Origin) -> str:
    """Return the setting that has git ask the pipe, for this server alone."""
    place = origin.url.split("/")[2]
    server = f"{origin.scheme}://{place}"
    return f'[credential "{server}"]\n\thelper = {_quoted(_HELPER)}\n'


PIPE_VARIABLE = "GIT_PASSWORD_FD"

# Of the lines it takes two at a time: each of git's programs may ask once more.
_HELPER = (
    '!f() { [ "$1" = get ] && { IFS= read -r user && IFS= read -r password; }'
    f' <"/dev/fd/${PIPE_VARIABLE}"'
    ' && printf "username=%s\\npassword=%s\\n" "$user" "$password"; }; f'
)

_ASKED = 8
"""How often the programs of one command may ask."""


@contextmanager
def password_pipe(password: Password | None) -> Iterator[int | None]:
    """Give the end of a pipe from which git's helper reads a password; None where there is none.

    It is there for one command, and gone with it.
    """
    if password is None:
        yield None
        return
    lines = f"{password.username}\n{password.password}\n".encode()
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            # What a pipe holds at least is written at once: nobody reads yet.
            for _ in range(max(1, min(_ASKED, PIPE_BYTES // len(lines)))):
                pipe.write(lines)
        yield reading
    finally:
        os.close(reading)


PIPE_BYTES = 16_384
"""What a pipe takes although nobody reads: four pages, where a user has many pipes."""


def ssh_command(key: SshKey | None, origin: Origin | None = None, address: str = "") -> str:
    """Return the command for git's shell.

    Every default is named here, for ssh takes its home from the system. Where an address is given,
    ssh connects to that, and still knows the server by the origin's host.
    """
    identity = "none"
    authentications = "none"
    known_hosts = "/dev/null"
    if key is not None:
        identity = _ssh_path(key.key_file)
        authentications = "publickey"
        if key.known_hosts_file:
            known_hosts = _ssh_path(key.known_hosts_file)
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_TIMEOUT_S),
        "ServerAliveInterval": str(CONNECT_TIMEOUT_S),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": identity,
        "PreferredAuthentications": authentications,
        # No host is trusted at first sight: whoever sits on the way could pretend to be it.
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts,
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ControlPath": "none",
        "UpdateHostKeys": "no",
    }
    if origin is not None and address:
        options["HostName"] = address
        options["HostKeyAlias"] = _known_as(origin)
    given = [f"-o{name}={value}" for name, value in options.items()]
    return shlex.join(["ssh", "-F", "/dev/null", *given])


def _known_as(origin: Origin) -> str:
    """Return the name under which files of known hosts have a server."""
    if origin.port == SSH_PORT:
        return origin.host
    return f"[{origin.host}]:{origin.port}"


def _ssh_path(path: str) -> str:
    """Return the path as one value of ssh's: it splits at spaces, and expands percent signs."""
    return _quoted(path.replace("%", "%%"))


def _quoted(value: str) -> str:
    """Return a value as git's settings and ssh's options spell it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write_private(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _environment(home: Path, origin: Origin, ssh: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    protocols = origin.scheme
    if origin.scheme == "http":
        protocols = "http:https"
    return {
        **kept,
        "HOME": str(home),  # curl would look for a .netrc in it.
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        # Redirects stay within this, too: none leads to a file, or out of encryption.
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_SSH_COMMAND": ssh,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_LFS_SKIP_SMUDGE": "1",
        # Else a local repository's settings could say what is fetched, and by what program.
        "GIT_NO_LAZY_FETCH": "1",
    }


# Git's messages when it fails, for people who only know that they registered an app.

LINES = 8
"""Git's own last words; the cause stands near the end."""

_NO_LOGIN = r"could not read (Username|Password)|Authentication failed|returned error: 401"
_NO_ACCESS = r"returned error: 403"
_HOST_KEY = r"Host key verification failed"
_SSH_KEY = r"Permission denied \("
_REDIRECT = r"returned error: 30\d"
_BY_CREDENTIALS = " where credentials are used"
_FORBIDDEN_PATH = r"invalid path '|maximum allowed tree depth|File name too long"
_MEMORY = r"Out of memory, |unable to create thread"

_LACKS = "that this service lacks"

_MEANINGS = {
    _NO_LOGIN: f"the server demands a user and password {_LACKS}; the operator can give them",
    _NO_ACCESS: "the server refuses access",
    _HOST_KEY: "the operator has given no key to recognise this ssh server by",
    _SSH_KEY: f"the ssh server demands a key {_LACKS}; the operator can give one",
    _REDIRECT: (
        f"the server redirects, which is not followed{_BY_CREDENTIALS}; give its new address"
    ),
    _FORBIDDEN_PATH: "the repository holds a path that cannot be checked out",
    _MEMORY: "unpacking the repository takes more memory than a clone may use",
}
"""What git says, and what it means; another attempt would meet each of them, too."""

_UNREACHED = re.compile(
    r"(failed|unable|could not|couldn't|ssh:) (to )?connect|timed out|refused|reset by peer"
    r"|no route to host|unreachable|empty reply|http/0\.9|weird server|kex_exchange|bad packet"
    r"|connection closed|wrong version number|handshake|is this a git repository|protocol error",
    re.IGNORECASE,
)
UNREACHED = "the server cannot be reached, or does not answer as git's servers do"
"""Whatever it was: else one could find out which ports are open, and what listens there."""

_UNREADABLE = re.compile(
    r"not appear to be a git repository|not a git repository|does not exist|bundle"
    r"|not a directory|no such file|permission denied|invalid gitfile|gitfile format",
    re.IGNORECASE,
)
UNREADABLE = "no repository can be read at"
"""Whatever there is: else one could find out which files there are."""


def failure(
    command: str, code: int, said: str, *, authenticated: bool, origin: Origin | None = None
) -> GitError:
    """Return the error that tells why a command failed, with git's own last words.

    What a server said through git is left out: it may be the page of some other server, which
    whoever registered the app may not see.
    """
    failed = f"git {command} failed: "
    told = [line for line in lines_of(said) if not line.startswith("remote:")]
    whole = "\n".join(told)
    hidden = _hidden(whole, origin)
    if hidden is not None:
        return GitError(failed + hidden)
    last = "\n".join(told[-LINES:])
    words = last or f"exit code {code}"
    for pattern, meaning in _MEANINGS.items():
        if re.search(pattern, said) is None:
            continue
        explained = _explained(meaning, authenticated=authenticated)
        return RefusedError(f"{failed}{explained}\n{words}")
    return GitError(failed + words)


def _explained(meaning: str, *, authenticated: bool) -> str:
    if authenticated:
        return meaning.replace(_LACKS, "other than the operator's")
    return meaning.replace(_BY_CREDENTIALS, "")


def _hidden(told: str, origin: Origin | None) -> str | None:
    """Return what is said instead where git's words would tell of other servers or files."""
    if origin is not None and origin.scheme == "file":
        if not _UNREADABLE.search(told):
            return None
        place = shown(origin.shown, 300)
        return f"{UNREADABLE} {place}"
    if _UNREACHED.search(told):
        return UNREACHED
    return None


def warnings(said: str) -> list[str]:
    """Return what git warned of, such as a redirect."""
    return [line for line in lines_of(said) if line.startswith("warning:")]


def lines_of(said: str) -> list[str]:
    """Return what git said as it may be shown: short, and without credentials.

    A server can make it say anything.
    """
    # At no other sign that ends a line: it may stand in the middle of a server's words.
    lines = re.split(r"[\r\n]+", said)
    stripped = filter(None, map(str.strip, lines))
    return [shown(redacted(line), 300) for line in stripped]


# Which servers are contacted for repositories: none of a private network, unless the operator
# allows it.
#
# A client names a server when it registers an app, and the worker can reach the operator's other
# servers. A name is looked up once, here, all its addresses are checked, and git is given those:
# the name cannot lead elsewhere by the time that git connects.

NOT_REACHED = (
    "the repository's server is unknown or lies in a private network;"
    " the operator decides whether such servers are asked"
)
"""One text for both, so that nobody finds out which names a private network knows."""

_Address = IPv4Address | IPv6Address

_RESERVED = (
    ip_network("192.0.0.0/24"),  # Of the protocol itself; a cloud has its metadata here.
    ip_network("168.63.129.16/32"),  # Another cloud's metadata, at a public address.
    ip_network("::/96"),
    ip_network("fec0::/10"),
)
"""What Python does not know as private."""

_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses in the eyes of a network that has none."""


def addresses_of(origin: Origin, settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the addresses that git may use for the origin's host.

    Returns:
        Nothing where git may look the name up by itself.

    Raises:
        RefusedError: the host is given as an address that is not public.
        GitError: its name is unknown, or one of its addresses is not public.
    """
    if origin.scheme == "file" or settings.get("allowPrivateRepositories") is True:
        return ()
    host = origin.host.strip("[]")
    try:
        literal = ip_address(host)
    except ValueError:
        return _looked_up(host, origin.port)
    if not is_public(literal):
        raise RefusedError(NOT_REACHED)
    return (host,)


def _looked_up(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise GitError(NOT_REACHED) from None
    addresses: list[str] = []
    for *_, place in found:
        address = str(place[0])
        # One with a zone is of this machine's own networks.
        if "%" in address or not is_public(ip_address(address)):
            raise GitError(NOT_REACHED)
        addresses.append(address)
    return tuple(addresses)


def is_public(address: _Address) -> bool:
    """Return whether everybody can reach this address, so that we give nothing away by it."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if address.is_multicast or any(address in network for network in _RESERVED):
        return False
    return address.is_global


def _inner(address: _Address) -> IPv4Address | None:
    """Return the IPv4 address that this one stands for, if it does."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
