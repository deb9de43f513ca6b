"""`apphub-jobs restore`: restore a backup into an empty database, or try whether it succeeds.

First the command, then the steps of a restore, then what only a drill does.
"""

import filecmp
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from api.bootstrap.log_stores import DIRECTORY, list_logs
from api.bootstrap.settings import SUBJECT_KEY_NAME
from api.data_directory import resolve_data_dir
from cli import composition  # noqa: F401 - logs hold events of the catalog, too
from cli.backup import KEYS_FILE, KeysFile, LogsStore
from cli.database import database as opened_database
from cli.log_access import Roots, archive_directory, head_file, seal_key_file
from cli.options import DatabaseOptions, KeyedLogOptions, command, failure
from cli.process.announcement import services
from cli.projections import check_archive_files, check_log_histories
from cli.reports import View, describe_seals, finish, open_view
from cli.seal import TrustOptions
from domain.errors import LogUnavailableError, SubjectKeysUnavailableError
from domain.json_values import JsonObject
from eventlog.backup.backup_set import ARCHIVES, RUN_LOGS, BackupError, BackupSet
from eventlog.backup.load import LoadResult, load
from eventlog.backup.restarts import Restarts, read_restarts
from eventlog.backup.subject_keys import SubjectKeys, read_subject_keys
from eventlog.database.connection import Database, operator_session
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.measures import read_seal_progress
from eventlog.rebuild.rebuild import rebuild
from eventlog.seal.keys import SealKeyError, SealKeys, read_keys
from eventlog.seal.seal import SealError, read_kept
from eventlog.seal.verify import verify_seals
from migrations import runner
from projections.tables import TABLES
from runtime.files import make_private_directory
from runtime.text import pluralize
from worker.logs.object_store import LogStoreError
from worker.logs.run_logs import RunLogsUnavailableError

restore_app = typer.Typer()

MAX_SHOWN = 10
"""Runs and schedules that a list for people names; `--json` has all."""

_RESTORE = """\
Restore a backup into an empty data directory or database, and list what starts again.

Start the service afterwards. With --drill, restore into a temporary database beside the running \
service, check everything, and leave nothing behind; exit with 1 if a restore would not succeed."""


@dataclass(frozen=True)
class RestoreOptions:
    """How a backup is restored."""

    to_position: Annotated[
        int | None, typer.Option(min=1, help="Leave out all events after this position of the log.")
    ] = None
    drill: Annotated[
        bool, typer.Option("--drill", help="Only try it; --data-dir is where the keys are.")
    ] = False
    keys: KeysFile = None
    without_keys: Annotated[
        bool,
        typer.Option(
            "--without-keys", help="Restore without the keys of personal data, which are then lost."
        ),
    ] = False
    logs_store: LogsStore = None


@command(restore_app, "restore", _RESTORE, reads_database=True)
def restore_command(  # noqa: PLR0913 - one for each option
    *,
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A backup's directory."),
    ],
    log: KeyedLogOptions,
    options: RestoreOptions,
    trust: TrustOptions,
    root: Roots = None,
    json: Annotated[bool, typer.Option("--json", help="JSON Lines: each fact.")] = False,
) -> None:
    """Restore a backup, or try to."""
    with open_view(json=json) as view:
        try:
            source = BackupSet(directory.resolve())
            keys = _subject_keys(source, log, options)
            _check_files(source, options.to_position, view)
            restore = _Restore(source, keys, log, options, view)
            if options.drill:
                _seal_keys(restore, trust)  # Missing ones end the drill at once, not at its end.
                _drill(restore, trust, root or ())
            else:
                restore.into_target()
        except (
            BackupError,
            LogStoreError,
            LogUnavailableError,
            OSError,
            RunLogsUnavailableError,
            SealError,
            SealKeyError,
            SubjectKeysUnavailableError,
        ) as error:
            raise failure(error) from None


def _check_files(source: BackupSet, to_position: int | None, view: View) -> None:
    manifest = source.manifest
    if manifest.schema > runner.HEAD:
        raise BackupError(
            f"the backup has schema {manifest.schema}, and this version knows {runner.HEAD}:"
            f" restore it with version {manifest.version} or newer"
        )
    if to_position is not None and to_position > manifest.position:
        raise BackupError(
            f"--to-position {to_position}: the backup ends at position {manifest.position}"
        )
    checked = 0
    for _ in source.check():
        checked += 1
        view.progress("files: checking", checked, max(checked, len(manifest.files)))
    view.fact(
        {"kind": "set", "directory": str(source.directory), **manifest.present()},
        f"{source.directory}: {checked} files as they were written; log {manifest.log_id} up to"
        f" position {manifest.position}, {manifest.taken_at}",
    )


def _subject_keys(
    source: BackupSet, log: KeyedLogOptions, options: RestoreOptions
) -> SubjectKeys | None:
    """Return the keys of personal data; None if the backup needs none, or is restored without."""
    if not source.manifest.subjects or options.without_keys:
        return None
    path = options.keys or source.directory.parent / KEYS_FILE
    if not path.exists():
        raise BackupError(
            f"the log has personal data of {pluralize(source.manifest.subjects, 'person')}, and"
            f" there is no file of their keys at {path}: name it with --keys; or lose these data"
            " with --without-keys"
        )
    keys = read_subject_keys(path)
    if keys.log_id != source.manifest.log_id:
        raise BackupError(
            f"{path} has the keys of another log, {keys.log_id}: name the right file with --keys"
        )
    keys.check_master(_master_keys(log))
    return keys


def _master_keys(log: KeyedLogOptions) -> MasterKeyFile:
    return MasterKeyFile(log.subject_key or resolve_data_dir(log.data_dir) / SUBJECT_KEY_NAME)


class _Restore:
    """The steps of a restore.

    Attributes:
        source: the backup.
        view: prints the results.
    """

    def __init__(
        self,
        source: BackupSet,
        keys: SubjectKeys | None,
        log: KeyedLogOptions,
        options: RestoreOptions,
        view: View,
    ) -> None:
        self.source = source
        self.view = view
        self.log = log
        self._keys = keys
        self._options = options

    def into_target(self) -> None:
        """Restore into the data directory or database that the operator named."""
        data_dir = resolve_data_dir(self.log.data_dir)
        if addresses := services(data_dir):
            raise BackupError(
                f"{addresses[0]} serves {data_dir}: stop it, or name another directory"
            )
        with opened_database(self.log, upgrade=False) as (directory, url), ExitStack() as stack:
            _refuse_if_used(url)
            stack.callback(_print_incomplete)
            archive = archive_directory(directory, self.log.archive)
            database = Database(url, LogFiles(archive, _master_keys(self.log)))
            loaded = self._load(url, database)
            self._copy_archives(loaded.archives, archive)
            is_equal = self._rebuild(database)
            self._restore_run_logs(directory)
            stack.pop_all()
            self.print_restarts(database)
        self._print_end(directory)
        if not is_equal:
            raise typer.Exit(1)

    def try_in(self, url: str) -> tuple[Database, bool]:
        """Restore into a temporary database; return it, and whether all is as it was."""
        files = LogFiles(self.source.directory / ARCHIVES, _master_keys(self.log))
        database = Database(url, files)
        self._load(url, database)
        return database, self._rebuild(database)

    def _load(self, url: str, database: Database) -> LoadResult:
        runner.upgrade(url, self.source.manifest.schema)
        loaded = finish(self._load_log(database))
        runner.upgrade(url)
        text = f"log: {pluralize(loaded.events, 'event')} up to position {loaded.position}"
        if loaded.omitted:
            text += f"; {pluralize(loaded.omitted, 'later event')} left out"
        self.view.fact(
            {
                "kind": "log",
                "position": loaded.position,
                "events": loaded.events,
                "left_out": loaded.omitted,
                "archives": [*loaded.archives],
            },
            text,
        )
        self._print_erased()
        return loaded

    async def _load_log(self, database: Database) -> LoadResult:
        position = self._options.to_position
        async with operator_session(database) as session:
            loaded = await load(session, self.source, self._keys, position, self.view.progress)
            await session.execute("ANALYZE")
            return loaded

    def _print_erased(self) -> None:
        if not self.source.manifest.subjects:
            return
        if self._keys is None:
            text = "personal data: lost, because they were restored without their keys"
            self.view.fact({"kind": "subjects", "erased": None, "keys_of": None}, text)
            return
        erased = len(set(self.source.key_ids()) - set(self._keys.ids))
        text = (
            f"personal data: the keys are of {self._keys.read_at};"
            f" {pluralize(erased, 'person')} erased since the backup"
            f" {'stays' if erased == 1 else 'stay'} erased."
            " Erase again everyone who was erased later: apphub-jobs subjects erase"
        )
        fact: JsonObject = {"kind": "subjects", "erased": erased, "keys_of": self._keys.read_at}
        self.view.fact(fact, text)

    def _copy_archives(self, names: Sequence[str], target: Path) -> None:
        """Copy archive files; another service may read them in the backup."""
        make_private_directory(target)
        for name in names:
            _copy(self.source.directory / ARCHIVES / name, target / name)

    def _rebuild(self, database: Database) -> bool:
        """Compute the other tables from the log; return whether they are what they were."""
        rows = 0
        wrong: list[str] = []
        for table in TABLES:
            rebuilt = finish(rebuild(database, table, self.view.difference, self.view.progress))
            checked = rebuilt.comparison
            rows += checked.rows
            if not checked.is_equal:
                wrong.append(table.name)
                self.view.checked(checked)
            before = self.source.manifest.rows.get(table.name, checked.rows)
            if self._options.to_position is None and checked.is_equal and checked.rows != before:
                wrong.append(table.name)
                rows_now = pluralize(checked.rows, "row")
                text = f"{table.name}: {rows_now}, but {before} at the backup"
                fact: JsonObject = {"kind": "rows", "table": table.name, "before": before}
                self.view.fact(fact, f"{text}: it was not equal to the log then")
        text = f"tables: {pluralize(rows, 'row')} of {len(TABLES)} tables"
        text += f"; NOT EQUAL to the log: {', '.join(wrong)}" if wrong else ": equal to the log"
        self.view.fact({"kind": "tables", "rows": rows, "wrong": [*wrong]}, text)
        return not wrong

    def _restore_run_logs(self, data_dir: Path) -> None:
        if self.source.manifest.run_logs == "copy":
            prefix = f"{RUN_LOGS}/"
            for log in self.source.run_logs():
                target = data_dir / DIRECTORY / log.name.removeprefix(prefix)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _copy(self.source.directory / log.name, target)
        self.print_run_logs(data_dir)

    def print_run_logs(self, data_dir: Path) -> None:
        """Print how many of the listed logs of runs are in the store."""
        if self.source.manifest.run_logs is None:
            return
        sizes = list_logs(self._options.logs_store, data_dir)
        prefix = f"{RUN_LOGS}/"
        listed = [log.name.removeprefix(prefix) for log in self.source.run_logs()]
        missing = [name for name in listed if name not in sizes]
        fact: JsonObject = {"kind": "run logs", "listed": len(listed), "missing": [*missing]}
        text = f"run logs: {len(listed)} in the backup's list, {len(missing)} missing in the store"
        self.view.fact(fact, text)

    def print_restarts(self, database: Database) -> None:
        """Print what starts again."""
        restarts = finish(_read_restarts(database))
        self.view.fact(restarts.present(), _describe(restarts))

    def _print_end(self, data_dir: Path) -> None:
        key = seal_key_file(data_dir)
        text = "restored; now start the service"
        if self.source.manifest.seal is not None and not key.exists():
            text = f"restored; copy your seal.key to {key}, then start the service"
        self.view.fact({"kind": "restored"}, text)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, unless the target has the same content.

    Raises:
        BackupError: the target has other content.
    """
    if not target.exists():
        shutil.copy(source, target)
    elif not filecmp.cmp(source, target, shallow=False):
        raise BackupError(f"{target} exists with other content than the backup's: move it away")


def _print_incomplete() -> None:
    typer.echo(
        "apphub-jobs: the restore is incomplete: start no service on it;"
        " restore again into an empty data directory or database",
        err=True,
    )


def _refuse_if_used(url: str) -> None:
    """Refuse a database that has a schema.

    Raises:
        BackupError: it has one.
    """
    schema = runner.current(url)
    if schema is not None:
        raise BackupError(
            f"the database is not empty: it has schema {schema}. Name another --data-dir or"
            " --database-url; what an incomplete restore left can be deleted"
        )


async def _read_restarts(database: Database) -> Restarts:
    async with await database.connect() as connection:
        return await read_restarts(connection)


def _describe(restarts: Restarts) -> str:
    counts = restarts.counts
    missed = sum(schedule["is_due"] for schedule in restarts.schedules)
    amounts = (
        (
            counts.get("again", 0),
            "run was running and runs AGAIN, whatever it had done",
            "runs were running and run AGAIN, whatever they had done",
        ),
        (
            counts.get("lost", 0),
            "run was running and fails as lost, because it has no attempt left",
            "runs were running and fail as lost, because they have no attempt left",
        ),
        (counts.get("due", 0), "run is due", "runs are due"),
        (counts.get("later", 0), "run is due later", "runs are due later"),
        (
            counts.get("paused", 0),
            "run waits for a paused job",
            "runs wait for jobs that are paused",
        ),
        (missed, "schedule has missed ticks", "schedules have missed ticks"),
        (len(restarts.schedules) - missed, "schedule ticks later", "schedules tick later"),
        (restarts.bulk_operations, "bulk operation continues", "bulk operations continue"),
    )
    lines = [f"  {n} {one if n == 1 else several}" for n, one, several in amounts if n]
    if not lines:
        return "nothing starts by itself"
    lines.insert(0, "as soon as API and workers start:")
    lines += [
        f"    {run['state']:<5} {run['id']} {run['job']}" for run in restarts.runs[:MAX_SHOWN]
    ]
    lines += [
        f"    tick  {tick['id']} {tick['job']} {tick['next_at']}"
        for tick in restarts.schedules[:MAX_SHOWN]
    ]
    left_out = len(restarts.runs[MAX_SHOWN:]) + len(restarts.schedules[MAX_SHOWN:])
    if left_out:
        lines.append(f"    and {left_out} more (--json)")
    return "\n".join(lines)


# A drill: the same restore in a temporary database, and then every check there is.


def _drill(restore: _Restore, trust: TrustOptions, roots: Sequence[Path]) -> None:
    problems: list[str] = []
    with _temporary_database(restore.log) as url:
        database, is_equal = restore.try_in(url)
        if not is_equal:
            problems.append("tables")
        if not finish(check_archive_files(database, restore.view)):
            problems.append("archives")
        if not check_log_histories(database, (), restore.view):
            problems.append("histories")
        if not _check_seals(database, restore, trust, roots):
            problems.append("seals")
        restore.print_run_logs(resolve_data_dir(restore.log.data_dir))
        restore.print_restarts(database)
    text = "drill: this backup can be restored; nothing was left behind"
    if problems:
        text = f"drill: FAILED: {', '.join(problems)}"
    restore.view.fact({"kind": "drill", "problems": [*problems]}, text)
    if problems:
        raise typer.Exit(1)


@contextmanager
def _temporary_database(log: KeyedLogOptions) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="apphub-drill-") as name:
        directory = Path(name).resolve()
        options = DatabaseOptions(data_dir=directory, postgres_account=log.postgres_account)
        try:
            with opened_database(options, upgrade=False) as (_, url):
                yield url
        finally:
            # Where root's server cannot reach the temporary directory, this is a link.
            home = directory / "postgres"
            if home.is_symlink():
                shutil.rmtree(home.resolve())


def _seal_keys(restore: _Restore, trust: TrustOptions) -> SealKeys | None:
    """Return the keys that the backup's seals are checked with; None if its log was not sealed."""
    if restore.source.manifest.seal is None:
        return None
    named = trust.public_key or trust.seal_key
    path = named or seal_key_file(resolve_data_dir(restore.log.data_dir))
    if named is None and not path.exists():
        raise BackupError(
            f"the log is sealed, and there is no key at {path} to check the seals: give the"
            " --data-dir of its service, or --public-key with the output of `seal public-key`"
        )
    return read_keys(path)


def _check_seals(
    database: Database, restore: _Restore, trust: TrustOptions, roots: Sequence[Path]
) -> bool:
    """Compare the restored log with its seals, and with kept heads that are not newer than it."""
    seal_keys = _seal_keys(restore, trust)
    if seal_keys is None:
        restore.view.fact({"kind": "seal", "sealed": False}, "seals: the log was not sealed")
        return True
    data_dir = resolve_data_dir(restore.log.data_dir)
    last = finish(_last_seal(database))
    kept = [
        head
        for file in (head_file(data_dir), *roots)
        if file.exists()
        for head in read_kept(file, seal_keys)
        if head.signed.head.number <= last
    ]
    report = finish(verify_seals(database, seal_keys, kept))
    restore.view.fact({**report.present(), "kind": "seal"}, describe_seals(report))
    return report.clean


async def _last_seal(database: Database) -> int:
    async with await database.connect() as connection:
        return (await read_seal_progress(connection))["seals"]
