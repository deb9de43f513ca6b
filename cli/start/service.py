"""The options of `up` and `dev` together, as the variables of the service's processes.

Both processes start by them, so this imports nothing that takes long; `checks.py` checks them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api.bootstrap.environment import Colour
from api.data_directory import resolve_data_dir
from cli.options import KeyOptions, ListeningOptions, StorageOptions, TokensFile
from cli.start.listening import EnvironmentColour, EnvironmentName, ShowRuns
from cli.start.options import WorkOptions


@dataclass(frozen=True)
class ServingOptions(ListeningOptions):
    """Where the API listens, who may call it, and what it shows."""

    tokens_file: TokensFile = None
    show_runs: ShowRuns = True
    environment_name: EnvironmentName = ""
    environment_colour: EnvironmentColour = Colour.GREY


@dataclass(frozen=True)
class AllOptions:
    """The options of a service with all its parts."""

    serving: ServingOptions
    storage: StorageOptions
    working: WorkOptions
    keys: KeyOptions

    @property
    def directory(self) -> Path:
        """The data directory."""
        return resolve_data_dir(self.storage.data_dir)

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the service's processes.

        Options are passed on as variables, because everybody on the machine can read a command
        line.
        """
        values = {
            **_serving_variables(self.serving),
            **_storage_variables(self.directory, self.storage, self.keys),
            **_work_variables(self.working),
        }
        variables = {f"APPHUB_{name}": str(value) for name, value in values.items() if value != ""}
        return {**os.environ, **variables}


def _serving_variables(serving: ServingOptions) -> Mapping[str, object]:
    return {
        "HOST": serving.host,
        "PORT": serving.port,
        "ALLOWED_HOSTS": " ".join(serving.allowed_host or ()),
        "CORS_ORIGINS": " ".join(serving.cors_origin or ()),
        "TRUSTED_PROXIES": " ".join(serving.trusted_proxy or ()),
        "INSECURE": serving.insecure or "",
        "TOKENS_FILE": serving.tokens_file or "",
        "SHOW_RUNS": serving.show_runs,
        "ENVIRONMENT_NAME": serving.environment_name,
        "ENVIRONMENT_COLOUR": serving.environment_colour,
    }


def _storage_variables(
    directory: Path, storage: StorageOptions, keys: KeyOptions
) -> Mapping[str, object]:
    archive = storage.archive and storage.archive.resolve()
    return {
        "DATA_DIR": directory,
        "DATABASE_URL": storage.database_url or "",
        "POSTGRES_ACCOUNT": storage.postgres_account or "",
        "WAIT_FOR_DATABASE_S": storage.wait_for_database_s,
        "ARCHIVE": archive or "",
        "LOGS_STORE": storage.logs_store or "",
        "SEAL_KEY": keys.seal_key or "",
        "SEAL_EVERY_S": keys.seal_every_s,
        "SUBJECT_KEY": keys.subject_key or "",
    }


def _work_variables(working: WorkOptions) -> Mapping[str, object]:
    no_handler_after_s, stop_grace_s = working.no_handler_after_s, working.stop_grace_s
    return {
        "SLOTS": working.slots,
        "SHARED_SLOTS": working.shared_slots,
        "LEASE_S": working.lease_s,
        "STOP_GRACE_S": "" if stop_grace_s is None else stop_grace_s,
        "NO_HANDLER_AFTER_S": "" if no_handler_after_s is None else no_handler_after_s,
        "LABELS": " ".join(working.label or ()),
        "COMMANDS": working.commands or "",
        "ALLOW_PRIVATE_REPOSITORIES": working.allow_private_repositories or "",
        "PASS_ENV": " ".join(text.replace(" ", "") for text in working.pass_env or ()),
        "WRITABLE": " ".join(str(path.resolve()) for path in working.writable or ()),
        "TRUST_HANDLERS": working.trust_handlers or "",
    }
