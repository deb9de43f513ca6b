"""A repository's address, checked: git's credentials and settings for it, and git's messages.

Git's address is put together from the parts that were checked, so that git and this service cannot
disagree about the host. It never carries a password.

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
from catalog.handlers.untrusted import printable, redact_userinfo


class GitError(Exception):
    """Git failed; the message is what it said, without credentials. Another try may do better."""


class RefusedError(GitError, PermanentError):
    """The repository is not read: a rule or a bound of this service forbids it, and would again."""


class CanceledError(Exception):
    """The run was canceled while a command was running."""


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
        url: git's argument: no password, and a user only for ssh.
        host: in lower case, an IPv6 address in brackets; "" for a file.
        port: the URL's, or its scheme's default; 0 for a file.
    """

    url: str
    scheme: str
    host: str = ""
    port: int = 0

    @property
    def display_url(self) -> str:
        """The address as people see it: without a user, even for ssh."""
        return redact_userinfo(self.url)

    def with_address(self, addresses: Sequence[str]) -> "Origin":
        """Return the origin with the first of these addresses in its URL, if it is one of `git:`.

        Settings pin the addresses of other schemes (`prepare_environment`); git's own has none.
        """
        if not addresses or self.scheme != "git":
            return self
        _, _, _, *path = self.url.split("/", 3)
        return replace(self, url=f"git://{bracketed(addresses[0])}:{self.port}/{''.join(path)}")

    @property
    def loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"


def bracketed(address: str) -> str:
    """Return an address as URLs spell it: one of IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True)
class Password:
    """The operator's credentials for a host over HTTP."""

    username: str
    password: str


@dataclass(frozen=True)
class SshKey:
    """The operator's credentials for a host over ssh."""

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
        path = repo_url if repo_url.startswith("/") else _path_of_file_url(rest)
        if isinstance(allowed, list) and not _is_below(path, allowed):
            raise RefusedError(NO_LOCAL_PATHS)
        if not path.startswith("/"):
            raise RefusedError(NO_ADDRESS)
        # A file: URL: for a plain path, git ignores the depth, and links files instead of reading.
        return Origin(f"file://{quote(path)}", "file")
    return _remote(repo_url)


def _is_below(path: str, directories: Sequence[Json]) -> bool:
    """Return whether a path leads into one of some directories, its links followed."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(str(directory))) for directory in directories)


def _path_of_file_url(rest: str) -> str:
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise RefusedError(NO_ADDRESS)
        rest = slash + path
    return unquote(rest)


def _remote(repo_url: str) -> Origin:
    try:
        parts = urlsplit(repo_url)
        port = parts.port
    except ValueError:
        raise RefusedError(NO_ADDRESS) from None
    scheme = parts.scheme
    userinfo, _, host = parts.netloc.rpartition("@")
    if port is not None:
        host, _, _ = host.rpartition(":")
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
    return Origin(url, scheme, host, _DEFAULT_PORTS[scheme] if port is None else port)


def credentials_for(
    origin: Origin, settings: Mapping[str, Json], log: logging.Logger
) -> Password | SshKey | None:
    """Return the operator's credentials for exactly this host, port and kind of connection.

    Returns:
        None if there are none.

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
    return Password(_text(origin, entry, "username"), _text(origin, entry, "password"))


def _entry_for(origin: Origin, settings: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Return the entry HOST:PORT; HOST alone stands for the usual port only."""
    keys = {f"{origin.host}:{origin.port}"}
    if origin.port == _DEFAULT_PORTS.get(origin.scheme):
        keys.add(origin.host)
    entries: Mapping[str, Mapping[str, Json]] = settings.get("credentials") or {}
    return next((entry for key, entry in entries.items() if key.lower() in keys), None)


def _text(origin: Origin, entry: Mapping[str, Json], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value or _UNUSABLE.search(value):
        raise RefusedError(f"the operator's credentials for {origin.host} lack a usable {field}")
    return value


# Git's settings in a private directory, instead of the host's: no credential or program of the
# host.

STALL_S = 60
"""Git abandons an HTTP server that sends less than a kilobyte a second for this long."""

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


def prepare_environment(
    home: Path, origin: Origin, credentials: Password | SshKey | None, addresses: Sequence[str] = ()
) -> dict[str, str]:
    """Write git's settings into a private, empty directory, and return git's whole environment.

    With `addresses`, git connects to those alone, whatever the origin's host or another resolves to
    by then, and follows no redirect.

    None of the settings holds a password. Git's helper reads it from a pipe (`password_pipe`), and
    only for this host: neither a file, which other attempts of this user may read, nor the URL, a
    command line or a variable holds it.
    """
    follow = "false" if addresses or credentials is not None else "initial"
    config = _CONFIG.format(stall_s=STALL_S, follow=follow)
    if addresses:
        # A line of `[http]`: every name leads to these addresses.
        listed = ",".join(map(bracketed, addresses))
        config += f'\tcurloptResolve = "*:{origin.port}:{listed}"\n'
    key: SshKey | None = None
    if isinstance(credentials, Password):
        # Git reads the pipe for this server alone.
        server = f"{origin.scheme}://{origin.url.split('/')[2]}"
        config += f'[credential "{server}"]\n\thelper = {_quoted(_HELPER)}\n'
    else:
        key = credentials
    descriptor = os.open(home / "gitconfig", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(config)
    ssh = ssh_command(key)
    if addresses and origin.scheme == "ssh":
        ssh = ssh_command(key, origin, addresses[0])
    return _environment(home, origin, ssh)


PIPE_VARIABLE = "GIT_PASSWORD_FD"

# It reads two lines at a time: each of git's programs may need them once more.
_HELPER = (
    '!f() { [ "$1" = get ] && { IFS= read -r user && IFS= read -r password; }'
    f' <"/dev/fd/${PIPE_VARIABLE}"'
    ' && printf "username=%s\\npassword=%s\\n" "$user" "$password"; }; f'
)

_MAX_READS = 8
"""How often the programs of one command may read the password."""


@contextmanager
def password_pipe(password: Password | None) -> Iterator[int | None]:
    """Yield the end of a pipe from which git's helper reads a password; None without one.

    The pipe is for one command, and is closed after it.
    """
    if password is None:
        yield None
        return
    lines = f"{password.username}\n{password.password}\n".encode()
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            # No more than every pipe holds: nothing reads it yet.
            for _ in range(max(1, min(_MAX_READS, PIPE_BYTES // len(lines)))):
                pipe.write(lines)
        yield reading
    finally:
        os.close(reading)


PIPE_BYTES = 16_384
"""What a pipe takes before anything reads it: four pages, where a user has many pipes."""


def ssh_command(key: SshKey | None, origin: Origin | None = None, address: str = "") -> str:
    """Return the command for git's shell.

    Every default is named here, for ssh takes its home from the system. With an address, ssh
    connects to that, and still checks the server's key under the origin's host.
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
        # As in files of known hosts.
        is_usual = origin.port == SSH_PORT
        options["HostKeyAlias"] = origin.host if is_usual else f"[{origin.host}]:{origin.port}"
    arguments = [f"-o{name}={value}" for name, value in options.items()]
    return shlex.join(["ssh", "-F", "/dev/null", *arguments])


def _ssh_path(path: str) -> str:
    """Return the path as one value of ssh's: it splits at spaces, and expands percent signs."""
    return _quoted(path.replace("%", "%%"))


def _quoted(value: str) -> str:
    """Return a value as git's settings and ssh's options spell it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _environment(home: Path, origin: Origin, ssh: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
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
        "GIT_ALLOW_PROTOCOL": "http:https" if origin.scheme == "http" else origin.scheme,
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
    command: str, code: int, output: str, *, authenticated: bool, origin: Origin | None = None
) -> GitError:
    """Return the error that says why a command failed, with git's own last words.

    What a server said through git is left out: it may be the page of some other server, which
    whoever registered the app may not see.
    """
    failed = f"git {command} failed: "
    lines = [line for line in lines_of(output) if not line.startswith("remote:")]
    substitute = _substitute("\n".join(lines), origin)
    if substitute is not None:
        return GitError(failed + substitute)
    words = "\n".join(lines[-LINES:]) or f"exit code {code}"
    for pattern, meaning in _MEANINGS.items():
        if re.search(pattern, output) is not None:
            explained = (
                meaning.replace(_LACKS, "other than the operator's")
                if authenticated
                else meaning.replace(_BY_CREDENTIALS, "")
            )
            return RefusedError(f"{failed}{explained}\n{words}")
    return GitError(failed + words)


def _substitute(message: str, origin: Origin | None) -> str | None:
    """Return what is shown instead of a message that would reveal other servers or files."""
    if origin is not None and origin.scheme == "file":
        is_hidden = _UNREADABLE.search(message)
        return f"{UNREADABLE} {printable(origin.display_url, 300)}" if is_hidden else None
    return UNREACHED if _UNREACHED.search(message) else None


def warnings(output: str) -> list[str]:
    """Return what git warned of, such as a redirect."""
    return [line for line in lines_of(output) if line.startswith("warning:")]


def lines_of(output: str) -> list[str]:
    """Return what git said as it may be shown: short, and without credentials.

    A server can make it say anything.
    """
    # Not `splitlines`: its other ends of lines may be in the middle of a server's words.
    lines = map(str.strip, re.split(r"[\r\n]+", output))
    return [printable(redact_userinfo(line), 300) for line in lines if line]


# Which servers are contacted for repositories: none of a private network, unless the operator
# allows it.
#
# A client names a server when it registers an app, and the worker can reach the operator's other
# servers. A name is looked up once, here, all its addresses are checked, and git uses only those:
# the name cannot lead elsewhere by the time that git connects.

NOT_REACHED = (
    "the repository's server is unknown or lies in a private network;"
    " only the operator can allow such servers"
)
"""One text for both, so that clients do not learn which names exist in a private network."""

_Address = IPv4Address | IPv6Address

_RESERVED = (
    ip_network("192.0.0.0/24"),  # Of the protocol itself; a cloud has its metadata here.
    ip_network("168.63.129.16/32"),  # Another cloud's metadata, at a public address.
    ip_network("::/96"),
    ip_network("fec0::/10"),
)
"""Networks that Python does not count as private."""

_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses as a network of IPv6 alone spells them."""


def resolve_addresses(origin: Origin, settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the addresses that git may use for the origin's host.

    Returns:
        Nothing where git may look the name up by itself.

    Raises:
        RefusedError: the host is an address that is not public.
        GitError: its name is unknown, or one of its addresses is not public.
    """
    if origin.scheme == "file" or settings.get("allowPrivateRepositories") is True:
        return ()
    host = origin.host.strip("[]")
    try:
        literal = ip_address(host)
    except ValueError:
        return _resolve(host, origin.port)
    if not is_public(literal):
        raise RefusedError(NOT_REACHED)
    return (host,)


def _resolve(host: str, port: int) -> tuple[str, ...]:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise GitError(NOT_REACHED) from None
    addresses: list[str] = []
    for *_, socket_address in entries:
        address = str(socket_address[0])
        # One with a zone is of this machine's own networks.
        if "%" in address or not is_public(ip_address(address)):
            raise GitError(NOT_REACHED)
        addresses.append(address)
    return tuple(addresses)


def is_public(address: _Address) -> bool:
    """Return whether this address can be reached from everywhere, so that it reveals nothing."""
    inner = _embedded_ipv4(address)
    if inner is not None:
        return is_public(inner)
    if address.is_multicast or any(address in network for network in _RESERVED):
        return False
    return address.is_global


def _embedded_ipv4(address: _Address) -> IPv4Address | None:
    """Return the IPv4 address that this one stands for, if it does."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
