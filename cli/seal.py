"""`apphub-jobs seal …`: seal, export heads, verify the log against its seals, prove events.

First the options that say which seals are trusted, then the commands.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from api.data_directory import resolve_data_dir
from cli.database import database
from cli.log_access import Roots, archive_directory, head_file, open_log, seal_key_file, sealing
from cli.options import DataDir, LogOptions, SealingOptions, SealKey, command, failure
from cli.process.signals import stop_signals
from cli.reports import View, describe_seals, open_view
from domain.errors import LogUnavailableError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.keys import LogFiles
from eventlog.seal.keys import SealKeyError, SealKeys, read_keys
from eventlog.seal.proofs import Prover, check_proof
from eventlog.seal.report import Report
from eventlog.seal.seal import KeptHead, SealError, SignedHead, read_kept
from eventlog.seal.sealer import Sealer, Sealing
from eventlog.seal.verify import verify_seals
from runtime.tasks import Supervision


@dataclass(frozen=True)
class TrustOptions:
    """Which keys are trusted."""

    seal_key: SealKey = None
    public_key: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Trusted keys, if not those of the key that seals the log.",
        ),
    ] = None


seal_app = typer.Typer(
    help="Tamper evidence: signed heads of a Merkle tree over the log.", no_args_is_help=True
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

PROGRESS_STEP = 5_000
"""Events between two movements of the bar."""

KeptFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A head kept outside the database.")
]


@command(
    seal_app,
    help_text="Seal the log until Ctrl-C, instead of the API:"
    " on a machine, or as a user, that alone has the key.",
    reads_database=True,
)
def run(*, log: LogOptions, sealing_options: SealingOptions) -> None:
    """Seal the log until Ctrl-C."""
    with database(log) as (directory, url):
        settings = sealing(directory, sealing_options)
        if settings is None:
            raise failure("--seal-every-s 0 turns sealing off: give a number above 0")
        archive = archive_directory(directory, log.archive)
        asyncio.run(_seal(Database(url, LogFiles(archive)), settings))


@command(seal_app, reads_database=True)
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="File to append it to; printed if left out.")
    ] = None,
    log: LogOptions,
    trust: TrustOptions,
) -> None:
    """Print the last signed head. Keep it where those who hold the database cannot change it."""
    with _open_sealed_log(log) as opened:
        keys = _keys(log.data_dir, trust)
        line = _prove(opened, keys, Prover.export)
        if file is None:
            typer.echo(line, nl=False)
        elif not _has_line(file, line):
            with file.open("ab") as kept:
                kept.write(line)


def _has_line(file: Path, line: bytes) -> bool:
    return file.exists() and line in file.read_bytes().splitlines(keepends=True)


@command(
    seal_app,
    help_text="Compare the stored log with its seals and with heads kept outside the database;"
    " exit code 1 if anything is wrong.",
    reads_database=True,
)
def verify(
    *,
    log: LogOptions,
    trust: TrustOptions,
    root: Roots = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare the log with its seals."""
    report = report_of(log, trust, root or ())
    if as_json:
        typer.echo(orjson.dumps(report.present(), option=orjson.OPT_INDENT_2))
    else:
        typer.echo(describe_seals(report))
    if not report.clean:
        raise typer.Exit(1)


@command(seal_app, reads_database=True)
def prove(
    *,
    position: Annotated[int | None, typer.Argument(help="The event's position.")] = None,
    since: KeptFile = None,
    under: KeptFile = None,
    log: LogOptions,
    trust: TrustOptions,
) -> None:
    """Print a proof that an event is sealed, under the last head or a kept one (--under).

    With --since instead of a position: a proof that the log begins with the log of a kept head.
    """
    with _open_sealed_log(log) as opened:
        keys = _keys(log.data_dir, trust)
        if position is not None and since is None:
            head = None if under is None else _last_kept_head(under, keys)
            proof = _prove(opened, keys, lambda prover: prover.inclusion(position, head))
        elif since is not None and position is None and under is None:
            old = _last_kept_head(since, keys)
            proof = _prove(opened, keys, lambda prover: prover.consistency(old))
        else:
            raise failure("give either a position or --since FILE")
    typer.echo(orjson.dumps(proof, option=orjson.OPT_INDENT_2))


def _last_kept_head(file: Path, keys: SealKeys) -> SignedHead:
    [*_, last] = read_kept(file, keys)
    return last.signed


@command(
    seal_app,
    "check-proof",
    "Check a proof with the public key alone, without any database;"
    " exit code 1 if it proves nothing.",
)
def check_proof_command(
    *,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A proof that `prove` printed.")
    ],
    data_dir: DataDir = None,
    trust: TrustOptions,
) -> None:
    """Check a proof that `prove` printed."""
    with _report_errors():
        try:
            proof = orjson.loads(file.read_bytes())
        except ValueError as error:
            raise failure(f"{file} is not JSON: {error}") from None
        typer.echo(check_proof(proof, _keys(data_dir, trust)))


@command(seal_app, "public-key", reads_database=True)
def public_key_command(*, data_dir: DataDir = None, seal_key: SealKey = None) -> None:
    """Print the public key, for those who check seals and proofs."""
    with _report_errors():
        keys = _keys(data_dir, TrustOptions(seal_key))
        typer.echo(keys.public_pem(), nl=False)


def report_of(options: LogOptions, trust: TrustOptions, roots: Sequence[Path]) -> Report:
    """Verify the log against its seals and all kept heads, with a progress bar on a terminal.

    Heads are kept in the data directory and in the files `roots`.
    """
    with _open_sealed_log(options) as log, open_view(json=False) as view:
        keys = _keys(options.data_dir, trust)
        own_file = head_file(resolve_data_dir(options.data_dir))
        kept: list[KeptHead] = []
        for file in (own_file, *roots):
            if file.exists():
                kept += read_kept(file, keys)
        return asyncio.run(verify_seals(log, keys, kept, _throttled_progress(view)))


def _throttled_progress(view: View) -> Callable[[int, int], None]:
    """Return a callback that moves the bar every `PROGRESS_STEP` events, not at every seal."""
    moved_at = 0

    def progress(done: int, total: int) -> None:
        nonlocal moved_at
        if done - moved_at >= PROGRESS_STEP:
            moved_at = done
            view.progress("comparing events", done, total)

    return progress


def _keys(data_dir: Path | None, trust: TrustOptions) -> SealKeys:
    file = trust.public_key or trust.seal_key
    return read_keys(file or seal_key_file(resolve_data_dir(data_dir)))


def _prove(log: Database, keys: SealKeys, make: Callable[[Prover], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        async with log.pool(1) as pool:
            return await make(Prover(pool, log.files.archive, keys))

    return asyncio.run(main())


async def _seal(log: Database, settings: Sealing) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stopped.set)
    listener = Listener(log)
    supervision = Supervision()
    async with log.pool(1) as pool, AsyncExitStack() as stack:
        signal = listener.signal()
        sealer = Sealer(pool, log.files.archive, signal, settings)
        for part in (listener, sealer):
            await part.start(supervision)
            stack.push_async_callback(part.stop)
        logger.info("sealing the log at least every %s s while events arrive", settings.every_s)
        await stopped.wait()


@contextmanager
def _open_sealed_log(options: LogOptions) -> Iterator[Database]:
    """Open a log that may have seals, for reading."""
    with open_log(options) as log, _report_errors():
        yield log


@contextmanager
def _report_errors() -> Iterator[None]:
    try:
        yield
    except (SealError, SealKeyError, LogUnavailableError) as error:
        raise failure(error) from None
