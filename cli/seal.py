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

from api.data_directory import directory_of
from cli.database import database
from cli.log_access import Roots, archive_directory, operated
from cli.options import DataDir, LogOptions, SealingOptions, SealKey, command, failure
from cli.process.signals import stop_signals
from cli.reports import View, seals_told, shown
from domain.errors import LogUnavailableError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.keys import LogFiles, SealKeyError, SealKeys, read_keys
from eventlog.seal.check import Report
from eventlog.seal.proofs import Prover, check_proof
from eventlog.seal.seal import KeptHead, SealError, SignedHead, read_kept
from eventlog.seal.sealer import Sealer, Sealing
from eventlog.seal.verify import verify_seals
from runtime.tasks import Supervision


@dataclass(frozen=True)
class TrustOptions:
    """Which seals are believed."""

    seal_key: SealKey = None
    public_key: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Trusted keys, if not those of the key that seals the log.",
        ),
    ] = None


app = typer.Typer(
    help="Tamper evidence: signed heads of a Merkle tree over the log.", no_args_is_help=True
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

PROGRESS_STEP = 5_000
"""Events between two movements of the bar."""

KeptFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A head kept elsewhere.")
]


def sealing(data_dir: Path, how: SealingOptions) -> Sealing | None:
    """Return how a process seals, None if it does not."""
    if how.seal_every_s <= 0:
        return None
    key = how.seal_key or data_dir / "seal.key"
    head_file = _head_file(data_dir)
    return Sealing(key, head_file, how.seal_every_s)


@command(
    app,
    told="Seal the log until Ctrl-C, apart from the API:"
    " on a machine, or as a user, that alone has the key.",
    reads_database=True,
)
def run(*, place: LogOptions, how: SealingOptions) -> None:
    """Seal the log until Ctrl-C."""
    with database(place) as (directory, url):
        decided = sealing(directory, how)
        if decided is None:
            raise failure("with --seal-every-s 0 there is nothing to do")
        archive = archive_directory(directory, place.archive)
        log = Database(url, LogFiles(archive))
        asyncio.run(_seal(log, decided))


@command(app, reads_database=True)
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="File to append it to; printed if left out.")
    ] = None,
    place: LogOptions,
    trust: TrustOptions,
) -> None:
    """Give the last signed head. Keep it where whoever holds the database has no hand in it."""
    with _sealed(place) as log:
        keys = _keys(place.data_dir, trust)
        line = _proven(log, keys, Prover.exported)
        if file is None:
            typer.echo(line, nl=False)
        elif not _has(file, line):
            with file.open("ab") as kept:
                kept.write(line)


def _has(file: Path, line: bytes) -> bool:
    if not file.exists():
        return False
    lines = file.read_bytes().splitlines(keepends=True)
    return line in lines


@command(
    app,
    told="Compare the stored log with its seals and with heads kept elsewhere;"
    " exit code 1 if anything is wrong.",
    reads_database=True,
)
def verify(
    *,
    place: LogOptions,
    trust: TrustOptions,
    root: Roots = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare the log with its seals."""
    roots = root or ()
    report = report_of(place, trust, roots)
    if as_json:
        document = report.present()
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        typer.echo(text)
    else:
        typer.echo(seals_told(report))
    if not report.clean:
        raise typer.Exit(1)


@command(app, reads_database=True)
def prove(
    *,
    position: Annotated[int | None, typer.Argument(help="The event's position.")] = None,
    since: KeptFile = None,
    under: KeptFile = None,
    place: LogOptions,
    trust: TrustOptions,
) -> None:
    """Print a proof that an event is sealed, under the last head or a kept one (--under).

    With --since instead of a position: that the log begins with the log of a kept head.
    """
    with _sealed(place) as log:
        keys = _keys(place.data_dir, trust)
        if position is not None and since is None:
            head: SignedHead | None = None
            if under is not None:
                head = _last_kept(under, keys)
            proof = _proven(log, keys, lambda prover: prover.inclusion(position, head))
        elif since is not None and position is None and under is None:
            old = _last_kept(since, keys)
            proof = _proven(log, keys, lambda prover: prover.consistency(old))
        else:
            raise failure("give either a position or --since FILE")
    text = orjson.dumps(proof, option=orjson.OPT_INDENT_2)
    typer.echo(text)


def _last_kept(file: Path, keys: SealKeys) -> SignedHead:
    [*_, last] = read_kept(file, keys)
    return last.signed


@command(
    app,
    "check-proof",
    "Check a proof with the public key alone, without any database;"
    " exit code 1 if it proves nothing.",
)
def check_proof_command(
    *,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What `prove` printed.")
    ],
    data_dir: DataDir = None,
    trust: TrustOptions,
) -> None:
    """Check what `prove` printed."""
    with _clear_errors():
        content = file.read_bytes()
        try:
            proof = orjson.loads(content)
        except ValueError as error:
            message = f"{file} is not JSON: {error}"
            raise failure(message) from None
        keys = _keys(data_dir, trust)
        proven = check_proof(proof, keys)
        typer.echo(proven)


@command(app, "public-key", reads_database=True)
def public_key_command(*, data_dir: DataDir = None, seal_key: SealKey = None) -> None:
    """Print the public key, for those who check seals and proofs."""
    with _clear_errors():
        keys = _keys(data_dir, TrustOptions(seal_key))
        typer.echo(keys.public_pem(), nl=False)


def report_of(place: LogOptions, trust: TrustOptions, roots: Sequence[Path]) -> Report:
    """Verify the log against its seals and all kept heads, with a bar on a terminal.

    Heads are kept in the data directory and in the files `roots`.
    """
    with _sealed(place) as log, shown(json=False) as view:
        keys = _keys(place.data_dir, trust)
        data_dir = directory_of(place.data_dir)
        own_file = _head_file(data_dir)
        kept: list[KeptHead] = []
        for file in (own_file, *roots):
            if file.exists():
                kept += read_kept(file, keys)
        progress = _seldom(view)
        verifying = verify_seals(log, keys, kept, progress)
        return asyncio.run(verifying)


def _seldom(view: View) -> Callable[[int, int], None]:
    """Return what moves the bar now and then; the check tells of every seal, which may be many."""
    moved_at = 0

    def progress(done: int, total: int) -> None:
        nonlocal moved_at
        if done - moved_at >= PROGRESS_STEP:
            moved_at = done
            view.progress("comparing events", done, total)

    return progress


def _head_file(data_dir: Path) -> Path:
    return data_dir / "seal.head"


def _keys(data_dir: Path | None, trust: TrustOptions) -> SealKeys:
    file = trust.public_key or trust.seal_key
    if file is None:
        file = directory_of(data_dir) / "seal.key"
    return read_keys(file)


def _proven(log: Database, keys: SealKeys, make: Callable[[Prover], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        async with log.pool(1) as pool:
            prover = Prover(pool, log.files.archive, keys)
            return await make(prover)

    return asyncio.run(main())


async def _seal(log: Database, how: Sealing) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stopped.set)
    listener = Listener(log)
    supervision = Supervision()
    async with log.pool(1) as pool, AsyncExitStack() as stack:
        news = listener.signal()
        sealer = Sealer(pool, log.files.archive, news, how)
        for part in (listener, sealer):
            await part.start(supervision)
            stack.push_async_callback(part.stop)
        logger.info("sealing the log at least every %s s while events arrive", how.every_s)
        await stopped.wait()


@contextmanager
def _sealed(place: LogOptions) -> Iterator[Database]:
    """Give a log that may have seals; nothing is written to it."""
    with operated(place) as log, _clear_errors():
        yield log


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (SealError, SealKeyError, LogUnavailableError) as error:
        raise failure(error) from None
