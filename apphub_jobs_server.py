"""Starts the service, whose packages are installed beside this module.

Its own name is unique. The packages have common names, such as `api`, of which an operator's
PYTHONPATH may have other modules, which are for handlers.
"""

import os
import signal
from importlib import import_module

from apphub_jobs.process.handlers import SERVICE_PACKAGES, set_up_imports

ROOT = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - a text is what the path holds
"""The directory of the service's packages."""


def main() -> None:
    """Run the command line of the service."""
    # Nothing is running that would have to be stopped: Ctrl-C ends imports without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    set_up_imports([], SERVICE_PACKAGES, ROOT)
    import_module("cli.main").main()
