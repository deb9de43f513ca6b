"""What a process may import: the operator's modules first, of the service what it is shown.

The service's packages are installed beside this one, so they lie on the path of every process that
finds `apphub_jobs`. Their names are common ones, such as `domain`: in a handler's process they
belong to the operator, and in the service's own processes to the service.
"""

import os
import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

SERVICE_PACKAGES = frozenset(
    {"api", "domain", "eventlog", "migrations", "projections", "runtime", "worker"}
)

SERVICE_ROOT = os.path.realpath(f"{__file__}/../../..")
"""The directory of this package and of the service's: a checkout, or site-packages."""


class ServicePackages:
    """A finder for the names of the service's packages alone; it is asked before all others."""

    def __init__(self, shown: Collection[str], root: str = SERVICE_ROOT) -> None:
        """Find what is shown in the service alone, and the other names everywhere but there."""
        self._shown = shown
        self._root = root

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return where a top-level package of one of these names lies.

        Raises:
            ModuleNotFoundError: only the service has one of this name, and it is not shown.
        """
        if path is not None or name not in SERVICE_PACKAGES:
            return None
        if name in self._shown:
            return PathFinder.find_spec(name, [self._root], target)
        spec = self._find_elsewhere(name, target)
        if spec is None:
            msg = f"No module named {name!r} (the service's own is not for handlers)"
            raise ModuleNotFoundError(msg, name=name)
        return spec

    def _find_elsewhere(
        self, name: str, target: ModuleType | None
    ) -> ModuleSpec | None:
        elsewhere = [
            entry for entry in sys.path if os.path.realpath(entry) != self._root
        ]
        for finder in sys.meta_path:
            if finder is self:
                continue
            # Others, such as those of editable installations, have their places in themselves.
            path = None
            if finder is PathFinder:
                path = elsewhere
            spec = finder.find_spec(name, path, target)
            if spec is not None and not self._is_the_services(spec):
                return spec
        return None

    def _is_the_services(self, spec: ModuleSpec) -> bool:
        places = spec.submodule_search_locations or []
        own = os.path.join(self._root, spec.name)  # noqa: PTH118
        return any(os.path.realpath(place) == own for place in places)


def arrange(directories: Sequence[str], shown: Collection[str]) -> None:
    """Let this process import from these directories first, of the service what is shown."""
    sys.path[:0] = directories
    sys.meta_path.insert(0, ServicePackages(shown))
