"""The service's own files, with its keys and everything that it knows: not for handlers."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.embedded.placement import ROOTS_PLACE
from apphub_jobs.process.imports import SERVICE_ROOT
from worker.executors.local.handlers_process import can_hide

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
    """What handlers shall not see.

    Attributes:
        hidden: files and directories, absolute and without links.
        visible: those that cannot be hidden, because handlers need something that lies in them.
    """

    hidden: Sequence[str] = ()
    visible: Sequence[str] = ()

    def tell(self) -> None:
        """Warn the operator of what handlers see all the same."""
        for path in self.visible:
            logger.warning(
                "handlers can read %s, with the service's keys: what they consist of lies in it;"
                " give another --data-dir",
                path,
            )
        if self.hidden and not can_hide(self.hidden):
            logger.warning(
                "handlers can read the service's own files, with its keys: this system does not let"
                " a process hide them (docs/operations.md, What handlers can reach)"
            )


def service_files(
    environment: Mapping[str, str], data_dir: Path, *others: Path | None
) -> ServiceFiles:
    """Return what handlers shall not see: the data directory, and what else is named."""
    places = _named(environment, data_dir, *others)
    needed = [
        Path(path).resolve()
        for path in (os.getcwd(), SERVICE_ROOT, sys.prefix)  # noqa: PTH109
    ]
    hidden: list[str] = []
    visible: list[str] = []
    for place in places:
        holds_needed = any(path.is_relative_to(place) for path in needed)
        if holds_needed:
            visible.append(str(place))
        else:
            hidden.append(str(place))
    return ServiceFiles(hidden, visible)


def _named(
    environment: Mapping[str, str], data_dir: Path, *others: Path | None
) -> list[Path]:
    """Return the service's own places, each once."""
    found = [data_dir, ROOTS_PLACE]
    for name in _VARIABLES:
        path = environment.get(name)
        if path:
            found.append(Path(path))
    found += [path for path in others if path is not None]
    each_once = dict.fromkeys(Path(os.path.realpath(path)) for path in found)
    return list(each_once)
