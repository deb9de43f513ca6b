"""The files that handlers may not see, and those that they may change, by the options."""

import os
from dataclasses import replace
from pathlib import Path

from api.bootstrap.handlers import passed_variables
from api.bootstrap.service_files import ServiceFiles, service_files
from api.data_directory import resolve_data_dir
from cli.options import StorageOptions, exit_on_error
from cli.start.options import WorkOptions
from worker.executors.packages import TRUSTED


def hidden_files(
    storage: StorageOptions, working: WorkOptions, *secret: Path | None
) -> ServiceFiles:
    """Return the files hidden from handlers, those that they may change, and their variables."""
    passed = working.pass_env or ()
    if working.trust_handlers:
        return exit_on_error(lambda: ServiceFiles(passed_variables(TRUSTED, passed)))
    directory = resolve_data_dir(storage.data_dir)
    files = exit_on_error(
        lambda: service_files(
            os.environ,
            directory,
            storage.archive,
            *secret,
            writable=working.writable or (),
            account=storage.postgres_account,
        )
    )
    access = exit_on_error(lambda: passed_variables(files.access, passed))
    return replace(files, access=access)
