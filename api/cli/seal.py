"""`apphub-jobs seal …`: seal, export heads, verify the log against its seals, make proofs and check them."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.opening import archive_directory, database, directory_of
from api.cli.options import Archive, DatabaseUrl, DataDir, failure
from domain.errors import LogUnavailableError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.keys.log_files import LogFiles
from eventlog.keys.sealing import SealKeyError, SealKeys, read_keys
from eventlog.seal.head_files import read_kept
from eventlog.seal.proofs import Prover, check_proof
from eventlog.seal.seal import SealError
from eventlog.seal.sealer import Sealer
from eventlog.seal.tip import Sealing
from eventlog.seal.verification.findings import Report
from eventlog.seal.verification.verify import verify_seals
from migrations import runner
from runtime.supervision import Supervision

app = typer.Typer(
    help="Tamper evidence: signed heads of a Merkle tree over the log.", no_args_is_help=True
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

PROGRESS_STEP = 5_000
"""Events between two movements of the bar."""

SealKey = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_SEAL_KEY",
        help="The key that seals the log; else seal.key in the data directory.",
    ),
]
SealEveryS = Annotated[
    float,
    typer.Option(
        envvar="APPHUB_SEAL_EVERY_S",
        min=0,
        max=3_600,
        help="Seconds that an event may wait for its seal; 0: none.",
    ),
]
PublicKey = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Trusted keys, if not those of the key that seals the log.",
    ),
]
Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--root",
        exists=True,
        dir_okay=False,
        help="Heads kept elsewhere; may be given several times.",
    ),
]
KeptFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A head kept elsewhere.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def sealing(data_dir: Path, key: Path | None, every_s: float) -> Sealing | None:
    """Return how a process seals, None if it does not."""
    return (
        Sealing(key or data_dir / "seal.key", _head_file(data_dir), every_s)
        if every_s > 0
        else None
    )


@app.command()
def run(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    seal_key: SealKey = None,
    seal_every_s: SealEveryS = 1.0,
) -> None:
    """Seal the log until Ctrl-C, apart from the API: on a machine, or as a user, that alone has the key."""
    with database(data_dir, database_url) as (directory, url):
        how = sealing(directory, seal_key, seal_every_s)
        if how is None:
            raise failure("with --seal-every-s 0 there is nothing to do")
        asyncio.run(_seal(Database(url, LogFiles(archive_directory(directory, archive))), how))


@app.command()
def export(  # noqa: PLR0913 - one for each option
    file: Annotated[
        Path | None, typer.Argument(help="File to append it to; printed if left out.")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    seal_key: SealKey = None,
    public_key: PublicKey = None,
) -> None:
    """Give the last signed head. Keep it where whoever holds the database has no hand in it."""
    with _sealed(data_dir, database_url, archive) as (directory, log):
        line = _proven(log, _keys(directory, seal_key, public_key), Prover.exported)
        if file is None:
            typer.echo(line, nl=False)
        elif not file.exists() or line not in file.read_bytes().splitlines(keepends=True):
            with file.open("ab") as kept:
                kept.write(line)


@app.command()
def verify(  # noqa: PLR0913 - one for each option
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    seal_key: SealKey = None,
    public_key: PublicKey = None,
    root: Roots = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Compare the stored log with its seals and with heads kept elsewhere; exit code 1 if anything is wrong."""
    report = report_of(data_dir, database_url, archive, seal_key, public_key, root)
    typer.echo(
        orjson.dumps(report.present(), option=orjson.OPT_INDENT_2) if as_json else told(report)
    )
    raise typer.Exit(0 if report.clean else 1)


@app.command()
def prove(  # noqa: PLR0913 - one for each option
    position: Annotated[int | None, typer.Argument(help="The event's position.")] = None,
    since: KeptFile = None,
    under: KeptFile = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    seal_key: SealKey = None,
    public_key: PublicKey = None,
) -> None:
    """Print a proof that an event is sealed, under the last head or a kept one (--under).

    With --since instead of a position: that the log begins with the log of a kept head.
    """
    with _sealed(data_dir, database_url, archive) as (directory, log):
        keys = _keys(directory, seal_key, public_key)
        if position is not None and since is None:
            head = read_kept(under, keys)[-1].signed if under else None
            proof = _proven(log, keys, lambda prover: prover.inclusion(position, head))
        elif since is not None and position is None and under is None:
            old = read_kept(since, keys)[-1].signed
            proof = _proven(log, keys, lambda prover: prover.consistency(old))
        else:
            raise failure("give either a position or --since FILE")
    typer.echo(orjson.dumps(proof, option=orjson.OPT_INDENT_2))


@app.command("check-proof")
def check_proof_command(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What `prove` printed.")
    ],
    data_dir: DataDir = None,
    seal_key: SealKey = None,
    public_key: PublicKey = None,
) -> None:
    """Check a proof with the public key alone, without any database; exit code 1 if it proves nothing."""
    with _clear_errors():
        try:
            proof = orjson.loads(file.read_bytes())
        except ValueError as error:
            raise failure(f"{file} is not JSON: {error}") from None
        typer.echo(check_proof(proof, _keys(directory_of(data_dir), seal_key, public_key)))


@app.command("public-key")
def public_key_command(data_dir: DataDir = None, seal_key: SealKey = None) -> None:
    """Print the public key, for those who check seals and proofs."""
    with _clear_errors():
        typer.echo(_keys(directory_of(data_dir), seal_key, None).public_pem(), nl=False)


def report_of(  # noqa: PLR0913 - one for each option
    data_dir: Path | None,
    database_url: str | None,
    archive: Path | None,
    seal_key: Path | None,
    public_key: Path | None,
    roots: Sequence[Path] | None,
) -> Report:
    """Verify the log against its seals, the head kept in the data directory, and those kept elsewhere."""
    with _sealed(data_dir, database_url, archive) as (directory, log):
        return verified(
            log, _keys(directory, seal_key, public_key), [_head_file(directory), *(roots or [])]
        )


def verified(log: Database, keys: SealKeys, kept_files: Sequence[Path]) -> Report:
    """Verify the log, with a progress bar on a terminal."""
    kept = [head for file in kept_files if file.exists() for head in read_kept(file, keys)]
    columns = (
        TextColumn("comparing events"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("")
        shown = 0

        def progress(done: int, total: int) -> None:
            nonlocal shown
            if done - shown >= PROGRESS_STEP:
                shown = done
                bar.update(task, completed=done, total=total)

        return asyncio.run(verify_seals(log, keys, kept, progress))


def told(report: Report) -> str:
    """Return the report for people."""
    lines = [
        f"looked at {report.events} events and {report.seals} good seals of log {report.log_id}"
    ]
    if report.last is not None:
        head = report.last.head
        lines.append(
            f"sealed up to position {head.position} (seal {head.number}, {head.sealed_at})"
        )
    if report.unsealed:
        lines.append(
            f"{report.unsealed} events after that are not sealed: nothing can be said about them"
        )
    if report.kept:
        lines.append(f"compared with {report.kept} heads that were kept outside the database")
    lines += [str(finding) for finding in report.findings]
    if report.untold:
        lines.append(f"and {report.untold} more")
    if report.first is None:
        lines.append("the log is what was sealed")
    else:
        lines.append(f"the log is not what was sealed; first bad position: {report.first.position}")
    return "\n".join(lines)


def _head_file(data_dir: Path) -> Path:
    return data_dir / "seal.head"


def _keys(data_dir: Path, seal_key: Path | None, public_key: Path | None) -> SealKeys:
    return read_keys(public_key or seal_key or data_dir / "seal.key")


def _proven(log: Database, keys: SealKeys, make: Callable[[Prover], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        async with log.pool(1) as pool:
            return await make(Prover(pool, log.files.archive, keys))

    return asyncio.run(main())


async def _seal(log: Database, how: Sealing) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    listener = Listener(log)
    supervision = Supervision()
    async with log.pool(1) as pool, AsyncExitStack() as stack:
        for part in (listener, Sealer(pool, log.files.archive, listener.signal(), how)):
            await part.start(supervision)
            stack.push_async_callback(part.stop)
        logger.info("sealing the log at least every %s s while events arrive", how.every_s)
        await stopped.wait()


@contextmanager
def _sealed(
    data_dir: Path | None, url: str | None, archive: Path | None
) -> Iterator[tuple[Path, Database]]:
    """Give the data directory and a log that may have seals; nothing is written to it."""
    with database(data_dir, url, upgrade=False) as (directory, found), _clear_errors():
        version = runner.current(found)
        if version != runner.HEAD:
            raise failure(
                f"the database's schema is {version}, not {runner.HEAD}; see `apphub-jobs migrate`"
            )
        yield directory, Database(found, LogFiles(archive_directory(directory, archive)))


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (SealError, SealKeyError, LogUnavailableError) as error:
        raise failure(error) from None
