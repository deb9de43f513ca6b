"""The job core without its extension."""

import subprocess
import sys

from tests import ROOT

PROGRAM = """
import asyncio, sys
from pathlib import Path

from api.app import build_app
from api.bootstrap.settings import Settings
from domain.topics import AGGREGATES
from worker import worker

app = build_app(Settings("", Path()), asyncio.Event())
print([name for name in sys.modules if name.partition(".")[0] == "catalog"])
print([path for path in app.openapi()["paths"] if "app" in path or "build" in path])
print({"repository", "build"} & AGGREGATES.keys())
"""


def test_the_core_is_whole_without_the_catalog() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert (done.stdout.splitlines(), done.stderr) == (["[]", "[]", "set()"], "")
