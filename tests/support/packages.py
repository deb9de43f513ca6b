"""Handler packages of tests, whose processes find modules as an operator's do."""

from collections.abc import Mapping

from catalog.handlers.builtin import HANDLERS as BUILTIN_NAMES
from tests import ROOT
from tests.support.handlers import HANDLERS
from worker.executors.packages import BUILTIN, HandlerPackage

BUILTIN_HANDLERS: Mapping[str, HandlerPackage] = dict.fromkeys(BUILTIN_NAMES, BUILTIN)


def package_of(module: str) -> dict[str, HandlerPackage]:
    """Return a package of one module, by the entry points of the tests' handlers."""
    package = HandlerPackage(modules=(module,), directories=(str(ROOT),))
    return dict.fromkeys(HANDLERS, package)
