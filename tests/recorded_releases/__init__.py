"""Older releases of the service, each as an archive of its files. `README.md` says which."""

from pathlib import Path

HERE = Path(__file__).parent

NEWEST = "0.1.0.dev2"


def archive(version: str) -> bytes:
    """Return the recorded archive of a release: compressed, as `tar` writes it."""
    return (HERE / f"{version}.tar.xz").read_bytes()
