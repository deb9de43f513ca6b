"""What handlers shall not see, and the database as processes of the service open it."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from api.bootstrap.service_files import ServiceFiles, service_files
from api.cli.opening.database import database
from api.cli.options import StorageOptions, read
from api.cli.running.working.options import WorkOptions
from api.embedded.data_directory import directory_of


def hidden_files(
    storage: StorageOptions, working: WorkOptions, *secret: Path | None
) -> ServiceFiles:
    """Return what handlers shall not see, and what they may change."""
    if working.trust_handlers:
        return ServiceFiles()
    directory = directory_of(storage.data_dir)
    return read(
        lambda: service_files(
            os.environ,
            directory,
            storage.archive,
            *secret,
            writable=working.writable or (),
            account=storage.postgres_account,
        )
    )


def opened(storage: StorageOptions) -> AbstractContextManager[tuple[Path, str]]:
    """Open the database, and wait for a while where it is away."""
    return database(storage, patience_s=storage.wait_for_database_s)
