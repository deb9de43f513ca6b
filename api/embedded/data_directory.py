"""Where the data directory is, said in one place: commands that open nothing look for it, too."""

import os
from pathlib import Path

from api.embedded.placement import ROOTS_PLACE


def directory_of(data_dir: Path | None) -> Path:
    """Return the data directory, the user's own if none is given."""
    directory = data_dir or _default_data_dir()
    # Of links in a circle, `Path.resolve` would make an error that nobody expects.
    return Path(os.path.realpath(directory))


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return ROOTS_PLACE / "data"
    given = os.environ.get("XDG_DATA_HOME")
    if given:
        return Path(given) / "apphub-jobs"
    return Path.home() / ".local" / "share" / "apphub-jobs"
