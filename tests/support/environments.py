"""Environments of handlers' own, made without a network."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT

_VERSION = "import sys; print(*sys.version_info[:2], sep='.')"


def other_python() -> str:
    """Return an interpreter of another version for handlers, if this machine has one."""
    for minor in (10, 12, 13, 14):
        for directory in ("/usr/bin", "/usr/local/bin"):
            path = f"{directory}/python3.{minor}"
            if Path(path).exists() and minor != sys.version_info.minor:
                return path
    return sys.executable


def make_environment(
    directory: Path, *, python: str = sys.executable, contract: int | None = 1
) -> Path:
    """Make a virtual environment with `apphub-jobs`; return the directory of its packages.

    Args:
        directory: of the environment.
        python: the interpreter.
        contract: of its `apphub-jobs`; None without one.
    """
    program = Path(python).resolve()
    done = subprocess.run([program, "-c", _VERSION], capture_output=True, text=True, check=True)
    packages = directory / "lib" / f"python{done.stdout.strip()}" / "site-packages"
    packages.mkdir(parents=True)
    (directory / "bin").mkdir()
    (directory / "bin" / "python").symlink_to(program)
    (directory / "pyvenv.cfg").write_text(f"home = {program.parent}\n")
    if contract is not None:
        shutil.copytree(ROOT / "apphub_jobs", packages / "apphub_jobs")
        set_contract(packages, contract)
    return packages


def set_contract(packages: Path, contract: int) -> None:
    """Change the contract of an environment's `apphub-jobs`."""
    file = packages / "apphub_jobs" / "version.py"
    file.write_text(f'VERSION = "9.9.9"\nCONTRACT = {contract}\n')
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
