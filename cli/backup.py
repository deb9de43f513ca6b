"""`apphub-jobs backup`: write the log, its archives and a list of run logs into a directory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Annotated

import orjson
import typer

from api.bootstrap.log_stores import DIRECTORY, list_logs
from api.data_directory import resolve_data_dir
from apphub_jobs.version import VERSION
from cli.log_access import open_log
from cli.options import LogOptions, command, failure
from cli.reports import View, finish, open_view
from domain.errors import LogUnavailableError
from eventlog.backup import dump
from eventlog.backup.backup_set import (
    KEY_LIST,
    RUN_LOG_LIST,
    RUN_LOGS,
    BackupError,
    Manifest,
    SetFile,
    SetWriter,
)
from eventlog.backup.subject_keys import SubjectKeys, keys_in_database
from eventlog.database import sql
from eventlog.database.connection import Database, operator_session
from migrations import runner
from projections.rows import read_value
from projections.tables import TABLES
from runtime.files import write_atomically
from runtime.text import pluralize
from worker.logs.object_store import LogStoreError
from worker.logs.run_logs import RunLogsUnavailableError

backup_app = typer.Typer()

KEYS_FILE = "subject-keys.json"
"""Beside the backups; the next backup replaces it."""

LAST_BACKUP = "last-backup.json"
"""In the data directory: what the last backup was, for `doctor`."""


class RunLogsMode(StrEnum):
    """Whether a backup lists the logs of runs, copies them, or leaves them out."""

    NONE = "none"
    LIST = "list"
    COPY = "copy"


LogsStore = Annotated[
    str | None,
    typer.Option(
        envvar="APPHUB_LOGS_STORE", help="Where run logs are kept, if not in the data directory."
    ),
]

KeysFile = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        help="The file of the keys of personal data, which each backup replaces;"
        f" else {KEYS_FILE} beside DIR.",
    ),
]

_BACKUP = """\
Back up the log into a new directory, while the service runs.

A backup has the log at one moment, its archive files, and lists of the keys and run logs that \
belong to it.

The keys of personal data go into one file beside all backups (--keys). seal.key and subjects.key \
are not copied: keep copies elsewhere."""


@command(backup_app, "backup", _BACKUP, reads_database=True)
def backup_command(  # noqa: PLR0913 - one for each option
    *,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty directory, best on another disk.")
    ],
    log: LogOptions,
    run_logs: Annotated[
        RunLogsMode,
        typer.Option(help="Whether to list the logs of runs, copy them as well, or do neither."),
    ] = RunLogsMode.LIST,
    logs_store: LogsStore = None,
    keys: KeysFile = None,
    dated: Annotated[
        bool,
        typer.Option("--dated", help="Write into a directory in DIR that is named by the time."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="A JSON document: what the backup holds.")
    ] = False,
) -> None:
    """Write a backup."""
    if run_logs is RunLogsMode.COPY and logs_store is not None:
        raise failure(
            "--run-logs copy is for logs in the data directory: copy those of an object store by"
            " its own means, and leave the list here (--run-logs list)"
        )
    target = directory.resolve()
    if dated:
        target /= f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    keys_file = keys or target.parent / KEYS_FILE
    data_dir = resolve_data_dir(log.data_dir)
    with open_log(log) as database, open_view(json=json) as view:
        began = monotonic()
        try:
            with _writer(target) as writer:
                if run_logs is not RunLogsMode.NONE:
                    is_copy = run_logs is RunLogsMode.COPY
                    _write_run_logs(writer, logs_store, data_dir, view, copy=is_copy)
                manifest, subject_keys = finish(_write(database, writer, run_logs, view))
                if subject_keys.master is not None:
                    subject_keys.replace(keys_file)
                writer.finish(manifest)
        except (
            BackupError,
            LogStoreError,
            LogUnavailableError,
            OSError,
            RunLogsUnavailableError,
        ) as error:
            raise failure(f"no backup was made: {error}") from None
        with suppress(OSError):  # Another user's directory: the backup is valid without it.
            _remember(data_dir, manifest, target)
        seconds = monotonic() - began
        document = {"kind": "backup", "directory": str(target), **manifest.present()}
        view.fact(document, _sentences(manifest, target, keys_file, seconds))


@contextmanager
def _writer(target: Path) -> Iterator[SetWriter]:
    """Open a backup for writing; after an error it is removed."""
    writer = SetWriter(target)
    with ExitStack() as stack:
        stack.callback(writer.discard)
        yield writer
        stack.pop_all()


def _write_run_logs(
    writer: SetWriter, store: str | None, data_dir: Path, view: View, *, copy: bool
) -> None:
    """List the logs of runs, or copy them. Call it before the log is read."""
    sizes = list_logs(store, data_dir)
    with writer.compressed(RUN_LOG_LIST) as file:
        for number, (name, size) in enumerate(sizes.items()):
            log = SetFile(name, size, "")
            if copy:
                view.progress("run logs: copying", number, len(sizes))
                source = data_dir / DIRECTORY / name
                try:
                    log = writer.copy(source, f"{RUN_LOGS}/{name}")
                except FileNotFoundError:
                    continue  # Removed meanwhile.
            file.write(orjson.dumps(vars(log), option=orjson.OPT_APPEND_NEWLINE))


async def _write(
    database: Database, writer: SetWriter, run_logs: RunLogsMode, view: View
) -> tuple[Manifest, SubjectKeys]:
    async with operator_session(database) as session:
        await session.execute(dump.BEGIN)
        taken_at = await read_value(session, str, "SELECT clock_timestamp() AS now")
        position = await read_value(session, int, sql.HEAD)
        tables = await dump.dump_tables(session, writer, view.progress)
        archives = await dump.dump_archives(session, database.files.archive, writer, view.progress)
        rows = await dump.count_rows(session, TABLES)
        seal = await dump.dump_seal(session, writer)
        log_id = await read_value(session, str, sql.LOG_ID)
        await session.execute("COMMIT")
        drawn = await read_value(session, int, dump.DRAWN)
        # Last, so that the keys of persons who were erased meanwhile are left out.
        await session.execute(dump.BEGIN)
        keys = await keys_in_database(session)
        await session.execute("COMMIT")
    sealing_key = None if seal is None else seal.key
    key_list = {"seal": sealing_key, "master": keys.master, "subjects": keys.ids}
    writer.write(KEY_LIST, orjson.dumps(key_list, option=orjson.OPT_INDENT_2))
    manifest = Manifest(
        version=VERSION,
        schema=runner.HEAD,
        log_id=log_id,
        taken_at=taken_at,
        position=position,
        drawn=drawn,
        tables=tables,
        rows=rows,
        archives=archives,
        seal=seal,
        subjects=len(keys.ids),
        run_logs=None if run_logs is RunLogsMode.NONE else run_logs.value,
        files=writer.files,
    )
    return manifest, keys


def _remember(data_dir: Path, manifest: Manifest, target: Path) -> None:
    """Record the backup for `doctor`."""
    last = {"directory": str(target), "taken_at": manifest.taken_at, "position": manifest.position}
    write_atomically(data_dir / LAST_BACKUP, orjson.dumps(last), mode=0o600)


def _sentences(manifest: Manifest, target: Path, keys_file: Path, seconds: float) -> str:
    sealed = "not sealed"
    if manifest.seal is not None:
        sealed = f"sealed up to position {manifest.seal.position}"
    megabytes = manifest.size_bytes / 1_000_000
    log = f"log {manifest.log_id} up to position {manifest.position}"
    contents = (
        f"{pluralize(manifest.events, 'event')} and {pluralize(manifest.archives, 'archive file')}"
    )
    lines = [
        f"{log}: {contents}, {sealed}",
        f"{target}: {pluralize(len(manifest.files), 'file')}, {megabytes:.1f} MB, {seconds:.1f} s",
    ]
    if manifest.subjects:
        persons = pluralize(manifest.subjects, "person")
        lines.append(f"{keys_file}: the keys of {persons}; replaces the previous file")
    if manifest.run_logs == RunLogsMode.LIST.value:
        lines.append("the logs of runs are listed, not copied")
    keys = []
    if manifest.seal is not None:
        keys.append("seal.key")
    if manifest.subjects:
        keys.append("subjects.key")
    if keys:
        lines.append(f"not in it: {', '.join(keys)}; keep copies in another place")
    return "\n".join(lines)
