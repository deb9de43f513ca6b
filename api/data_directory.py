"""The data directory: the operator's, or the user's default one."""

import os
from pathlib import Path

from runtime.files import UnusableDirectoryError

ROOT_DIRECTORY = Path("/var/lib/apphub-jobs")
"""Root's own, which every account can pass through. The private server's files are in it if its
account cannot reach the data directory."""


def resolve_data_dir(data_dir: Path | None) -> Path:
    """Return the data directory without links: the operator's, or the user's default one.

    Raises:
        UnusableDirectoryError: the user has no home directory, and so no default one.
    """
    # `Path.resolve` would raise an error for a loop of links.
    return Path(os.path.realpath(data_dir or _default_data_dir()))


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return ROOT_DIRECTORY / "data"
    data_home = os.environ.get("XDG_DATA_HOME")
    if data_home:
        return Path(data_home) / "apphub-jobs"
    try:
        home = Path.home()
    except RuntimeError:  # For example in a container whose user has no account.
        raise UnusableDirectoryError(
            "this user has no home directory: give --data-dir or APPHUB_DATA_DIR"
        ) from None
    return home / ".local" / "share" / "apphub-jobs"
