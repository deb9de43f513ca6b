"""The units of systemd: commands take what they give, and stopping has the time that it needs."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from cli.process.supervisor import STOP_TIMEOUT_S
from cli.start.options import STOP_GRACE_S
from tests import ROOT
from tests.unit.deploy.test_manifests import variables_taken_by

SYSTEMD = ROOT / "deploy" / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
PROGRAM = "/opt/apphub-jobs/bin/apphub-jobs"
ENVIRONMENT_FILES = {"service.env": "service.env", "worker-%i.env": "worker.env"}
PROCESSES = {"serve": 1, "worker": 1, "up": 2}
"""How many processes end one after the other."""


def _settings(unit: Path) -> dict[str, list[str]]:
    settings = defaultdict(list)
    for key, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        settings[key].append(value)
    return settings


def _variables(settings: dict[str, list[str]]) -> dict[str, str]:
    """Return the variables that are set in a unit, and in the examples of its files."""
    words = " ".join(settings["Environment"]).split()
    for path in settings["EnvironmentFile"]:
        example = SYSTEMD / ENVIRONMENT_FILES[path.removeprefix("/etc/apphub-jobs/")]
        words += re.findall(r"^#?([A-Z_]+=.*)$", example.read_text(), re.MULTILINE)
    return dict(word.split("=", 1) for word in words)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_command_takes_the_variables_and_has_time_to_stop(unit: Path) -> None:
    settings = _settings(unit)
    [program, command] = settings["ExecStart"][0].split()
    assert program == PROGRAM
    every_command = {"APPHUB_HOST", "APPHUB_PORT", "APPHUB_TOKENS_FILE", "APPHUB_LOGS_STORE"}
    assert _variables(settings).keys() <= variables_taken_by([command]) | every_command
    grace_s = 0.0
    if command != "serve":
        [grace] = re.findall(r"APPHUB_STOP_GRACE_S=(\d+)", settings["Environment"][0])
        grace_s = float(grace)
        assert grace_s == STOP_GRACE_S
    enough_s = grace_s + PROCESSES[command] * STOP_TIMEOUT_S
    assert float(settings["TimeoutStopSec"][0]) >= enough_s
    assert settings["KillMode"] == ["mixed"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace(PROGRAM, "/bin/true")
        (tmp_path / unit.name.replace("@", "@reports")).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
