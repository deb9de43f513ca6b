"""The private place that git takes its settings from, instead of the host's: no credential, prompt or program of it."""

import os
import shlex
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from worker.handlers.git.origin import Origin, Password, SshKey

STALL_S = 60
"""An HTTP server that sends less than a kilobyte a second for this long is given up."""

CONNECT_TIMEOUT_S = 20

_KEPT = (
    "PATH",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
)
"""What git gets of the environment. Not the proxies, agents and client certificates: they are the
host's."""

# Repositories of another owner are read on purpose; a file is the only place where git takes that
# from.
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


def furnish(home: Path, origin: Origin, credentials: Password | SshKey | None) -> dict[str, str]:
    """Write git's settings into a private, empty directory, and return git's whole environment.

    The password stands in a file that only git's own helper reads, and only for this host: neither
    the URL nor a command line, which every process of the machine can see, holds it.
    """
    follow = "false" if credentials is not None else "initial"
    config = _CONFIG.format(stall_s=STALL_S, follow=follow)
    if isinstance(credentials, Password):
        place = origin.url.split("/")[2]
        user, password = quote(credentials.username, safe=""), quote(credentials.password, safe="")
        _write_private(home / "password", f"{origin.scheme}://{user}:{password}@{place}\n")
        helper = f"store --file={shlex.quote(str(home / 'password'))}"
        config += f'[credential "{origin.scheme}://{place}"]\n\thelper = {_quoted(helper)}\n'
    _write_private(home / "gitconfig", config)
    key = credentials if isinstance(credentials, SshKey) else None
    return _environment(home, origin, ssh_command(key))


def clear(home: Path) -> None:
    """Remove the password, whatever becomes of the rest."""
    with suppress(FileNotFoundError):
        (home / "password").unlink()


def ssh_command(key: SshKey | None) -> str:
    """Return the command for git's shell; ssh takes its own home from the system, so every default is named here."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_TIMEOUT_S),
        "ServerAliveInterval": str(CONNECT_TIMEOUT_S),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": "none" if key is None else _ssh_path(key.key_file),
        "PreferredAuthentications": "none" if key is None else "publickey",
        # Without the host's key, whoever sits on the way could pretend to be it: there is no first
        # trust here.
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _ssh_path(key.known_hosts_file)
        if key and key.known_hosts_file
        else "/dev/null",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ControlPath": "none",
        "UpdateHostKeys": "no",
    }
    return shlex.join(
        ["ssh", "-F", "/dev/null", *(f"-o{name}={value}" for name, value in options.items())]
    )


def _ssh_path(path: str) -> str:
    """Return the path as one value of ssh's: it splits at spaces, and expands percent signs."""
    return '"' + path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(value: str) -> str:
    """Return a value as git's settings spell it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


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
