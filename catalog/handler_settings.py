"""What the operator decides about repositories and builds, by `APPHUB_…` variables.

Both the handlers and the API follow it. First how the variables become the handlers' settings, then
a description of each variable for the documentation.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.bootstrap.environment import Variable
from api.origins import is_loopback
from domain.json_values import InvalidJsonError, Json, JsonObject, decode

INGEST_ENTRY_POINT = "catalog.ingestion.processRepository"

BUILD_ENTRY_POINT = "catalog.build.run"

BUILDERS = ("auto", "docker", "podman", "buildah")

NETWORKS = ("own", "host")


def local_repositories(environment: Mapping[str, str]) -> bool | list[Json]:
    """Return whether apps may name repositories on the workers' own file system.

    Returns:
        The directories in which they may lie, where only some may be named.

    Raises:
        ValueError: the variable says neither true nor false, nor names absolute directories.
    """
    name = "APPHUB_LOCAL_REPOSITORIES"
    value = environment.get(name, "").strip()
    if not value.startswith("/"):
        return _flag(environment, name, default=True)
    directories: list[Json] = []
    for directory in value.split(":"):
        if not directory.startswith("/"):
            msg = f"{name} is {value!r}; each of its directories must be absolute"
            raise ValueError(msg)
        directories.append(directory)
    return directories


def handler_settings(environment: Mapping[str, str], data_dir: Path) -> Mapping[str, JsonObject]:
    """Return the settings of the built-in handlers, by entry point.

    Raises:
        ValueError: a variable has a value that it cannot have; the message names it.
        OSError: a file of credentials or secrets cannot be read.
    """
    git: JsonObject = {
        "allowLocalPaths": local_repositories(environment),
        "allowPrivateRepositories": _flag(
            environment, "APPHUB_ALLOW_PRIVATE_REPOSITORIES", default=False
        ),
        "credentials": _credentials(environment),
        **_clone_limits(environment),
    }
    return {
        INGEST_ENTRY_POINT: git,
        BUILD_ENTRY_POINT: {**git, **_build_settings(environment, data_dir)},
    }


def _build_settings(environment: Mapping[str, str], data_dir: Path) -> JsonObject:
    builder = environment.get("APPHUB_BUILDER") or "auto"
    if builder not in BUILDERS:
        msg = f"APPHUB_BUILDER is {builder!r}; it must be one of {', '.join(BUILDERS)}"
        raise ValueError(msg)
    registry = environment.get("APPHUB_REGISTRY") or None
    # An image that is not pushed to a registry is kept here: otherwise it would be lost.
    kept = _flag(environment, "APPHUB_KEEP_IMAGES", default=registry is None)
    return {
        "builder": builder,
        "registry": registry,
        "registryAuthFile": environment.get("APPHUB_REGISTRY_AUTH_FILE") or None,
        "registryTlsVerify": _flag(environment, "APPHUB_REGISTRY_TLS_VERIFY", default=True),
        "ociDir": str(data_dir / "images") if kept else None,
        "baseImages": environment.get("APPHUB_BASE_IMAGES") or None,
        "dockerHost": environment.get("DOCKER_HOST") or None,
        "network": _network(environment),
    }


def _network(environment: Mapping[str, str]) -> str:
    """Return which network builds have: while the API is open, none from which it can be reached.

    A worker whose options name no tokens takes the API for an open one.
    """
    name = "APPHUB_BUILD_NETWORK"
    network = environment.get(name)
    if network:
        if network not in NETWORKS:
            msg = f"{name} is {network!r}; it must be one of {', '.join(NETWORKS)}"
            raise ValueError(msg)
        return network
    if environment.get("APPHUB_TOKENS_FILE"):
        return "host"
    if is_loopback(environment.get("APPHUB_HOST") or "localhost"):
        return "own"
    return "none"


def _clone_limits(environment: Mapping[str, str]) -> JsonObject:
    """Return those limits that the operator sets; the handlers have their own for the others."""
    limits: JsonObject = {}
    for name, variable in _LIMITS.items():
        value = environment.get(variable, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isdigit()) or int(value) == 0:
            raise ValueError(f"{variable} is {value!r}; it must be a whole number above 0")
        limits[name] = int(value)
    return limits


_LIMITS = {
    "cloneTimeoutMs": "APPHUB_CLONE_TIMEOUT_MS",
    "cloneMaxBytes": "APPHUB_CLONE_MAX_BYTES",
    "cloneMaxEntries": "APPHUB_CLONE_MAX_ENTRIES",
}


def _credentials(environment: Mapping[str, str]) -> JsonObject:
    """Read `{"HOST": ENTRY}`.

    An entry is `{"username": …, "password": {"env": NAME} or {"file": PATH}}`, or
    `{"sshKeyFile": PATH}`.
    """
    path = environment.get("APPHUB_GIT_CREDENTIALS")
    if not path:
        return {}
    text = Path(path).read_text(encoding="utf-8")
    try:
        entries: Any = decode(text)
        return {host.lower(): _entry(entry, environment) for host, entry in entries.items()}
    except (InvalidJsonError, json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must hold {_CREDENTIALS}: {error!r}") from None


_CREDENTIALS = (
    '{"HOST": {"username": "name", "password": {"env": "VARIABLE"}}},'
    ' with {"file": "PATH"} for the password or {"sshKeyFile": "PATH"} for all of it'
)


def _entry(entry: Mapping[str, Json], environment: Mapping[str, str]) -> JsonObject:
    if "sshKeyFile" in entry:
        return dict(entry)
    return {
        **entry,
        "username": str(entry["username"]),
        "password": _secret(entry["password"], environment),
    }


def _secret(source: Json, environment: Mapping[str, str]) -> str:
    if not isinstance(source, dict):
        msg = 'a password is named by {"env": "VARIABLE"} or {"file": "PATH"}, not written down'
        raise TypeError(msg)
    if "file" in source:
        return Path(str(source["file"])).read_text(encoding="utf-8").strip()
    return environment[str(source["env"])]


def _flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environment.get(name, "").strip().lower()
    if not value:
        return default
    if value not in _FLAGS:
        msg = f"{name} is {value!r}; it must be true or false"
        raise ValueError(msg)
    return _FLAGS[value]


_FLAGS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


# What these variables mean, for the documentation.

REPOSITORIES = (
    Variable(
        "APPHUB_LOCAL_REPOSITORIES",
        "`true`",
        "`false`: apps name no absolute paths and `file:` URLs. Do so on a shared service:"
        " every client can have every repository read that the worker can read, whoever owns it. A"
        " local repository may also borrow objects from others on the machine, or be a link to one."
        " Directories, as in `/srv/git:/home/git`: only what lies in them, links followed. The API"
        " reads it, too",
    ),
    Variable(
        "APPHUB_GIT_CREDENTIALS",
        "",
        "a JSON file with passwords and keys by host ([its form](ingestion.md#credentials))",
    ),
    Variable("APPHUB_CLONE_TIMEOUT_MS", "`600000`", "how long cloning may take"),
    Variable("APPHUB_CLONE_MAX_BYTES", "`2000000000`", "how much disk a clone may fill"),
    Variable(
        "APPHUB_CLONE_MAX_ENTRIES", "`200000`", "how many files and directories a clone may have"
    ),
)

BUILDS = (
    Variable("APPHUB_BUILDER", "`auto`", "`auto`, `docker`, `podman` or `buildah`"),
    Variable("APPHUB_REGISTRY", "", "`host[:port][/prefix]` that images are pushed to"),
    Variable(
        "APPHUB_REGISTRY_AUTH_FILE",
        "",
        "credentials for that push, as `docker login` or `podman login` write them",
    ),
    Variable(
        "APPHUB_REGISTRY_TLS_VERIFY",
        "`true`",
        "`false` for a registry without TLS (Podman and Buildah; Docker's daemon has its own list)",
    ),
    Variable(
        "APPHUB_KEEP_IMAGES",
        "`true` without a registry, else `false`",
        "whether `images` in the data directory is an OCI layout that gets every image",
    ),
    Variable(
        "APPHUB_BASE_IMAGES",
        "",
        "the store of [base images](building.md#base-images) (Podman and Buildah)",
    ),
    Variable(
        "APPHUB_BUILD_NETWORK",
        "`host` where there are tokens, else `own`",
        "`own` or `host`: which network builds have ([isolation](building.md#isolation))",
    ),
    Variable(
        "DOCKER_HOST",
        "Docker's own",
        "the address of Docker's daemon, such as `unix:///run/user/1000/docker.sock`",
    ),
)
