"""The program of a probe: it imports handler modules, and reports their handlers or an error.

Arguments: the handler package as JSON, the file for the report, and the timeout in seconds. The
report is `{"python", "prefix", "offered": {module: [{"name", "origin", "definition"}, …]}}`: the
version of Python and the directory of its environment, and for each handler its entry point, the
module that defines it, and for a job the body of `POST /jobs` that registers it, else null. If a
module cannot be imported, the report is `{"module", "error", "trace", "missing"}`:
`missing` is the name of the module that does not exist, if that is the cause.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from apphub_jobs.process.handlers import ProvidedHandler, find_handlers, set_up_imports

FRAMES = 6
"""How many of the innermost calls a report shows."""


def main() -> None:
    """Write the report, and exit at once, even if the modules have started threads."""
    package: dict[str, Any] = json.loads(sys.argv[1])
    signal.alarm(int(sys.argv[3]))  # The worker waits no longer, or is gone.
    set_up_imports(package["directories"], package["shown"])
    report = _report(package["modules"])
    with open(sys.argv[2], "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes long to import
        json.dump(report, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _report(modules: Iterable[str]) -> dict[str, Any]:
    offered: dict[str, list[dict[str, Any]]] = {}
    for module in modules:
        try:
            offered[module] = [_describe(handler) for handler in find_handlers(module)]
        except Exception as error:  # noqa: BLE001 - a module may raise anything
            return {"module": module, **_describe_error(error)}
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, "prefix": sys.prefix, "offered": offered}


def _describe(handler: ProvidedHandler) -> dict[str, Any]:
    return {"name": handler.name, "origin": handler.origin, "definition": handler.definition}


def _describe_error(error: Exception) -> dict[str, Any]:
    return {
        "error": f"{type(error).__name__}: {error}",
        "trace": "".join(traceback.format_list(_frames(error))),
        "missing": error.name if isinstance(error, ModuleNotFoundError) else None,
    }


def _frames(error: Exception) -> list[traceback.FrameSummary]:
    """Return the innermost calls, without those of the import system and of this package."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_IMPORTING)]
    return own[-FRAMES:]


_IMPORTING = (
    __file__.removesuffix("process/probe.py"),  # This whole package.
    import_module.__code__.co_filename,
    "<frozen importlib._bootstrap>",
    "<frozen importlib._bootstrap_external>",
)
