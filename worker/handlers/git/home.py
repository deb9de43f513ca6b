"""The private place of git's settings, instead of the host's: no credential or program of that."""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from worker.handlers.git.origin import Origin, Password, SshKey, in_url

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
    home: Path,
    origin: Origin,
    credentials: Password | SshKey | None,
    addresses: Sequence[str] = (),
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


def ssh_command(
    key: SshKey | None, origin: Origin | None = None, address: str = ""
) -> str:
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
