"""The command line of the service, as `apphub-jobs` and as `python -m apphub_jobs`.

It starts here because this package's name is unique: an operator's PYTHONPATH may have other
modules named `api` or `domain`, which are for handlers.
"""

import signal
from importlib import import_module

from apphub_jobs.process.handlers import SERVICE_PACKAGES, set_up_imports


def main() -> None:
    """Run the command line of the service that is installed beside this package."""
    # Nothing is running that would have to be stopped: Ctrl-C ends imports without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    set_up_imports([], SERVICE_PACKAGES)
    import_module("cli.main").main()


if __name__ == "__main__":
    main()
