"""The service's own files, with its keys and everything that it knows: not for handlers."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.data_directory import ACCOUNT, ROOTS_PLACE, existing
from apphub_jobs.process.handlers import SERVICE_ROOT
from worker.executors.local.workplace import PLACES_PREFIX, possible_confinement, workplaces
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
"""They name a file or a directory each."""


@dataclass(frozen=True)
class ServiceFiles:
    """What handlers shall not see, and what they may change.

    Attributes:
        access: what they reach of the host.
        visible: files and directories that cannot be hidden, because handlers need something that
            lies in them.
    """

    access: Access = TRUSTED
    visible: Sequence[str] = ()

    def tell(self) -> None:
        """Warn the operator of what handlers see and can change all the same."""
        for path in self.visible:
            logger.warning(
                "handlers can read %s, with the service's keys: what they consist of lies in it;"
                " give another --data-dir",
                path,
            )
        if not self.access.hidden:
            return
        confinement = possible_confinement()
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
    """Return what handlers shall not see: the data directory, and what else is named.

    Args:
        environment: the variables of the service, which may name further files.
        data_dir: the data directory.
        *others: further files and directories of the service.
        writable: directories that the operator lets handlers change.
        account: as whom the private PostgreSQL runs, if root starts it.

    Raises:
        ValueError: a directory that handlers may change is not there.
    """
    places = _named(environment, data_dir, *others)
    needed = [
        Path(path).resolve()
        for path in (os.getcwd(), SERVICE_ROOT, sys.prefix)  # noqa: PTH109
    ]
    hidden = [str(path) for path in _places_of_attempts()]
    visible: list[str] = []
    for place in places:
        holds_needed = any(path.is_relative_to(place) for path in needed)
        if holds_needed:
            visible.append(str(place))
        else:
            hidden.append(str(place))
    access = Access(hidden=hidden, writable=_writable(writable), withheld=_withheld(account))
    return ServiceFiles(access, visible)


def _places_of_attempts() -> list[Path]:
    """Return where attempts work: this user's, and those of others that are there already."""
    own = workplaces().resolve()
    others = own.parent.glob(f"{PLACES_PREFIX}*")
    return [own, *(path for path in others if path != own and path.is_dir())]


def _writable(given: Sequence[Path]) -> list[str]:
    """Return where handlers may change files: where the operator says, and the current directory.

    The latter is where handlers are developed. It does not count where it is one of the system, or
    holds what the user is: his keys, and what his shells begin with.
    """
    found: list[str] = []
    for path in given:
        if not path.is_dir():
            msg = f"--writable: {path} is not a directory; make it, or leave it out"
            raise ValueError(msg)
        found.append(os.path.realpath(path))
    current = Path.cwd().resolve()
    homes = [Path.home().resolve(), *map(Path, _OF_THE_SYSTEM)]
    is_the_systems = any(current.is_relative_to(path) for path in _OF_THE_SYSTEM)
    if not is_the_systems and not any(home.is_relative_to(current) for home in homes):
        found.append(str(current))
    return found


_OF_THE_SYSTEM = ("/bin", "/boot", "/etc", "/lib", "/opt", "/sbin", "/usr", "/var/spool")


def _withheld(account: str | None) -> list[int]:
    """Return the user of the private PostgreSQL, where it is another one than root's handlers."""
    entry = existing(account or ACCOUNT)
    if os.geteuid() != 0 or entry is None:
        return []
    return [entry.pw_uid]


def _named(environment: Mapping[str, str], data_dir: Path, *others: Path | None) -> list[Path]:
    """Return the service's own places, each once."""
    found = [data_dir, ROOTS_PLACE]
    for name in _VARIABLES:
        path = environment.get(name)
        if path:
            found.append(Path(path))
    found += [path for path in others if path is not None]
    each_once = dict.fromkeys(Path(os.path.realpath(path)) for path in found)
    return list(each_once)
