"""`python -m apphub_jobs`: the command line of the service, where that is installed as well."""

import sys
from importlib import import_module
from importlib.util import find_spec

from apphub_jobs.version import VERSION

SERVER = "apphub_jobs_server"

NO_SERVER = (
    f"apphub-jobs: the command line comes with the service, which is not installed in {sys.prefix}."
    f" Install it by itself: uv tool install apphub-jobs-server=={VERSION}"
    f" (or: pipx install apphub-jobs-server=={VERSION}), and type: apphub-jobs"
)


def main() -> None:
    """Run the command line of the service, or say what to install."""
    if find_spec(SERVER) is None:
        sys.exit(NO_SERVER)
    import_module(SERVER).main()


if __name__ == "__main__":
    main()
