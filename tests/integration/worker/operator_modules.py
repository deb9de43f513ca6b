"""Modules of an operator: written, installed, and asked for their handlers."""

from collections.abc import Callable
from pathlib import Path

from worker.executors.local.probe import probe_packages
from worker.executors.packages import HandlerPackage, HandlerSource, collect_packages

Write = Callable[[str, str], None]


def install(directory: Path, name: str, content: str) -> None:
    """Install a distribution of one module that offers handlers."""
    metadata = directory / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[apphub_jobs.handlers]\n{name} = {name}\n")
    (directory / f"{name}.py").write_text(content)


def packages_with(*modules: str, **commands: list[str]) -> dict[str, HandlerPackage]:
    return probe_packages(collect_packages(HandlerSource(modules, commands)))
