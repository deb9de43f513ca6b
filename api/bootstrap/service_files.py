"""The service's own files, with its keys and data, which are hidden from handlers."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.data_directory import ROOT_DIRECTORY
from api.server_placement import ACCOUNT, find_account
from apphub_jobs.process.handlers import SERVICE_ROOT
from worker.executors.local.handler_process import probe_confinement
from worker.executors.local.workplace import ROOT_PREFIX, workplaces_directory
from worker.executors.packages import TRUSTED, Access

logger = logging.getLogger(__name__)

_VARIABLES = (
    "APPHUB_TOKENS_FILE",
    "APPHUB_SEAL_KEY",
    "APPHUB_SUBJECT_KEY",
    "APPHUB_ARCHIVE",
    "APPHUB_GIT_CREDENTIALS",
    "APPHUB_REGISTRY_AUTH_FILE",
    "PGPASSFILE",
    "PGSSLKEY",
)
"""Variables that name a file or a directory each."""


@dataclass(frozen=True)
class ServiceFiles:
    """The files hidden from handlers.

    Attributes:
        access: what handlers may reach of the host.
        visible: files and directories that cannot be hidden, because handlers need something in
            them.
    """

    access: Access = TRUSTED
    visible: Sequence[str] = ()

    def warn(self) -> None:
        """Warn the operator of files that handlers can read or change nevertheless."""
        for path in self.visible:
            logger.warning(
                "handlers can read %s, with the service's keys, because their own code lies in it;"
                " give another --data-dir",
                path,
            )
        if not self.access.hidden:
            return
        confinement = probe_confinement()
        if not confinement.hides:
            logger.warning(
                "handlers can read the service's own files, with its keys, and other attempts':"
                " this system does not let a process hide them"
                " (docs/operations.md, What handlers can reach)"
            )
        elif not confinement.protects:
            logger.warning(
                "handlers can change whatever files this user can: this system does not let a"
                " process make them read-only (docs/operations.md, What handlers can reach)"
            )


def service_files(
    environment: Mapping[str, str],
    data_dir: Path,
    *others: Path | None,
    writable: Sequence[Path] = (),
    account: str | None = None,
) -> ServiceFiles:
    """Return the files hidden from handlers: the data directory, and others of the service.

    Args:
        environment: the variables of the service, which may name further files.
        data_dir: the data directory.
        *others: further files and directories of the service.
        writable: directories that the operator lets handlers change.
        account: the account of the private PostgreSQL, if root starts it.

    Raises:
        ValueError: a directory that handlers may change does not exist.
    """
    needed_paths = [
        Path(path).resolve()
        for path in (os.getcwd(), SERVICE_ROOT, sys.prefix)  # noqa: PTH109
    ]
    hidden = [str(path) for path in _attempt_directories()]
    visible: list[str] = []
    for own_path in _own_paths(environment, data_dir, *others):
        is_needed = any(path.is_relative_to(own_path) for path in needed_paths)
        (visible if is_needed else hidden).append(str(own_path))
    access = Access(hidden=hidden, writable=_writable(writable), withheld=_withheld(account))
    return ServiceFiles(access, visible)


def _attempt_directories() -> list[Path]:
    """Return the working directories of attempts: this user's, and existing ones of others."""
    own = workplaces_directory().resolve()
    others = own.parent.glob(f"{ROOT_PREFIX}*")
    return [own, *(path for path in others if path != own and path.is_dir())]


def _writable(paths: Sequence[Path]) -> list[str]:
    """Return where handlers may change files: the operator's directories, and the current one.

    Handlers are developed in the current directory. It is left out if it belongs to the system, or
    holds the user's home with its keys and shell profiles.
    """
    writable: list[str] = []
    for path in paths:
        if not path.is_dir():
            msg = f"--writable: {path} is not a directory; make it, or leave it out"
            raise ValueError(msg)
        writable.append(os.path.realpath(path))
    current = Path.cwd().resolve()
    homes = [Path.home().resolve(), *map(Path, _SYSTEM_DIRECTORIES)]
    is_of_system = any(current.is_relative_to(path) for path in _SYSTEM_DIRECTORIES)
    if not is_of_system and not any(home.is_relative_to(current) for home in homes):
        writable.append(str(current))
    return writable


_SYSTEM_DIRECTORIES = ("/bin", "/boot", "/etc", "/lib", "/opt", "/sbin", "/usr", "/var/spool")


def _withheld(account: str | None) -> list[int]:
    """Return the user id of the private PostgreSQL, if root starts it."""
    entry = find_account(account or ACCOUNT)
    if os.geteuid() != 0 or entry is None:
        return []
    return [entry.pw_uid]


def _own_paths(environment: Mapping[str, str], data_dir: Path, *others: Path | None) -> list[Path]:
    """Return the service's own files and directories, without links and duplicates."""
    paths = [data_dir, ROOT_DIRECTORY]
    paths += [Path(path) for name in _VARIABLES if (path := environment.get(name))]
    paths += [path for path in others if path is not None]
    return list(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))
