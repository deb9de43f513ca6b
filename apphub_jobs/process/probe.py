"""The program of a probe: imports handler modules, and reports what they offer, or why not.

Arguments: the handler package as JSON, the file for the report, and the time limit in seconds.
The report is `{"offered": {module: [{"name", "origin", "definition"}, …]}}`: of each handler its
entry point, the module that has it, and for a job what `POST /jobs` takes to register it, else
null. Of the first module that cannot be had it is `{"module", "error", "trace", "missing"}`: the
last is the name of a module that is not there.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from apphub_jobs.process.handlers import Offer, arrange, offered_by

FRAMES = 6
"""How many of the innermost calls are told of an error."""


def main() -> None:
    """Report, and end at once, whatever threads the modules have started."""
    package: dict[str, Any] = json.loads(sys.argv[1])
    signal.alarm(int(sys.argv[3]))  # Nobody waits any longer; the worker may be gone.
    arrange(package["directories"], package["shown"])
    report = _report(package["modules"])
    with open(sys.argv[2], "w", encoding="utf-8") as file:  # noqa: PTH123 - imports what handlers' processes do
        json.dump(report, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _report(modules: Iterable[str]) -> dict[str, Any]:
    offered: dict[str, list[dict[str, Any]]] = {}
    for module in modules:
        try:
            offered[module] = [_described(offer) for offer in offered_by(module)]
        except Exception as error:  # noqa: BLE001 - a module may raise anything
            return {"module": module, **_told(error)}
    return {"offered": offered}


def _described(offer: Offer) -> dict[str, Any]:
    return {"name": offer.name, "origin": offer.origin, "definition": offer.definition}


def _told(error: Exception) -> dict[str, Any]:
    missing = None
    if isinstance(error, ModuleNotFoundError):
        missing = error.name
    calls = traceback.format_list(_frames(error))
    return {
        "error": f"{type(error).__name__}: {error}",
        "trace": "".join(calls),
        "missing": missing,
    }


def _frames(error: Exception) -> list[traceback.FrameSummary]:
    """Return the innermost calls, without those that lead to the module."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_LEADING)]
    return theirs[-FRAMES:]


_LEADING = (
    __file__.removesuffix("process/probe.py"),  # All of this package.
    import_module.__code__.co_filename,
    "<frozen importlib._bootstrap>",
    "<frozen importlib._bootstrap_external>",
)
