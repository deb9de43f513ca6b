"""What `make installed` has installed outside of the checkout, for tests that then run by it."""

import os
import sys
from pathlib import Path

from tests import ROOT

_DIRECTORY = os.environ.get("APPHUB_INSTALLED")

COMMAND = Path(_DIRECTORY, "server/bin/apphub-jobs") if _DIRECTORY else ROOT / "bin/apphub-jobs"
"""The command line as users type it: of the installed wheels, else of the checkout."""

PYTHON = f"{_DIRECTORY}/server/bin/python" if _DIRECTORY else sys.executable
"""The service's interpreter."""

PROJECT = Path(_DIRECTORY, "project") if _DIRECTORY else None
"""The environment of a project with jobs, which has `apphub-jobs` alone; None in the checkout."""
