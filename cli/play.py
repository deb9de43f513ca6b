"""`apphub-jobs demo --play`: a service in which something has happened, and four things to try.

First the handlers of three teams, then their history, which is made by launches over the API; then
the service itself, in a temporary directory; last what the terminal prints, and `run_play`.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from api.embedded import EmbeddedPostgres
from apphub_jobs.client import Client, FailureDocument
from cli.options import failure
from cli.process.dev import has_screen, show
from cli.process.signals import LIFELINE_VARIABLE
from cli.sql import find_psql
from cli.start.test_service import without_settings

PROGRAM = "apphub-jobs"

IMPORT = "billing-import"
INDEX = "search-index"
DIGEST = "mail-digest"

SCHEDULE = "search-index-often"

CUSTOMER = "acme"

HANDLERS = {
    "billing.py": '''\
from time import sleep

from apphub_jobs import JobRunContext, job


@job(retries=2, retry_strategy="none", concurrency_key="customer")
def billing_import(context: JobRunContext, customer: str, pages: int = 400) -> str:
    """Import a customer's invoices; one import of a customer runs at a time."""
    # The customer's server is slow, but keeps what a first attempt has requested.
    page_s = 1.5 if context.run.attempt == 1 else 0.01
    for page in range(1, pages + 1):
        sleep(page_s)
        context.update(progress=page / pages)
    return f"{pages} pages of {customer} in attempt {context.run.attempt}"
''',
    "search.py": '''\
from time import sleep

from apphub_jobs import JobRunContext, job


@job
def search_index(context: JobRunContext, part: str = "new") -> str:
    """Index what is new; a schedule launches it more often than it can end."""
    for step in range(1, 7):
        print(f"{part}: step {step} of 6")
        context.update(progress=step / 6)
        sleep(1)
    return f"{part} documents are indexed"
''',
    "mail.py": '''\
from apphub_jobs import JobRunContext, job

TEMPLATES = {"plain": "Dear {}, here is your week."}


@job
def mail_digest(context: JobRunContext, recipient: int, template: str = "plain") -> str:
    """Write the weekly digest of one recipient."""
    print(f"recipient {recipient}: template {template}")
    if template not in TEMPLATES:
        raise LookupError(f"no template for recipient {recipient}: {template} is missing")
    return TEMPLATES[template].format(f"recipient {recipient}")
''',
}
"""The teams' files by name. Each is a package of its own, as it would be in earnest."""

RECIPIENTS = range(1041, 1047)

PATIENCE_S = 90.0
"""How long to wait for anything, on a machine that is busy with other things."""

POLL_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class History:
    """What has happened, as far as the terminal speaks of it.

    Attributes:
        good_time: a moment at which no digest had failed.
        importing: the import that runs.
        worker: its worker's process.
        waiting: the import that waits for it.
        waited: a position of the log at which it waited.
        reason: why it waits, as `explain` says.
        failure: the fingerprint of the failing digests' group.
        title: the group's title.
        skipped_at: when the skipped tick was due.
        digest: a run that succeeded, for edits by SQL.
        launched: the position of the event of its launch.
    """

    good_time: str
    importing: str
    worker: int
    waiting: str
    waited: int
    reason: str
    failure: str
    title: str
    skipped_at: datetime
    digest: str
    launched: int


def make_history(client: Client) -> History:
    """Launch the teams' runs, and wait until there is something to see of each."""
    client.schedules.create({"id": SCHEDULE, "job": INDEX, "everyMs": 4_000})
    # Before the one that waits for it, also once its worker is lost.
    importing = client.options(priority=1).launch(IMPORT, {"customer": CUSTOMER})
    client.launch(IMPORT, {"customer": "globex", "pages": 2})
    good = [client.launch(DIGEST, {"recipient": recipient}) for recipient in RECIPIENTS]
    for run in good:
        run.wait(PATIENCE_S)
    # A moment of the log, not of this process: their clocks may differ.
    good_time = max(str(run.events()[-1]["recordedAt"]) for run in good)
    for recipient in RECIPIENTS:
        client.launch(DIGEST, {"recipient": recipient, "template": "spring"})
    _await(lambda: importing.refresh().status == "running", "the import to start")
    waiting = client.launch(IMPORT, {"customer": CUSTOMER})
    group = _await(lambda: _full_group(client), "the failures' group")
    skipped = _await(lambda: _skipped_tick(client), "a skipped tick")
    [worker] = [worker for worker in client.workers() if worker.state == "alive"]
    return History(
        good_time=good_time,
        importing=importing.id,
        worker=int(worker["pid"]),
        waiting=waiting.id,
        waited=int(waiting.events()[-1]["position"]),
        reason=client.explain(waiting.id).summary,
        failure=group.fingerprint,
        title=group.title,
        skipped_at=skipped,
        digest=good[0].id,
        launched=int(good[0].events()[0]["position"]),
    )


def _full_group(client: Client) -> FailureDocument | None:
    groups = client.failures.each(job=DIGEST)
    return next((group for group in groups if group.count == len(RECIPIENTS)), None)


def _skipped_tick(client: Client) -> datetime | None:
    ticks = client.schedules.ticks(SCHEDULE)
    return next((tick.due_at for tick in ticks if tick.outcome == "skipped"), None)


def _await(read: Callable[[], T | None], what: str) -> T:
    """Return the first value that is true.

    Raises:
        typer.Exit: there was none in time.
    """
    give_up_at = monotonic() + PATIENCE_S
    while True:
        value = read()
        if value:
            return value
        if monotonic() > give_up_at:
            raise failure(f"waited {PATIENCE_S:.0f} s for {what}: is this machine very busy?")
        sleep(POLL_S)


LEASE_S = 3
"""Shorter than usual, so that the killed worker's run recovers soon."""


class Service:
    """A service in a directory of its own.

    Attributes:
        url: its address, once it is ready.
    """

    def __init__(self, directory: Path) -> None:
        """Take an empty directory."""
        self.directory = directory
        self.jobs = directory / "jobs"
        self.data_dir = directory / "data"
        self._temporary = directory / "tmp"
        self._log = directory / "service.log"
        self.url = ""

    @property
    def log(self) -> str:
        """What it has printed for people."""
        return self._log.read_text(errors="replace")

    def command(self, *words: str) -> str:
        """Return a command for this service, to be pasted into a shell."""
        return shlex.join([*_program(), *words, "--data-dir", str(self.data_dir)])

    @property
    def settings(self) -> str:
        """The command after which `apphub-jobs` is this program, and queries this service."""
        variables = [f"APPHUB_DATA_DIR={shlex.quote(str(self.data_dir))}"]
        program = Path(_program()[0])
        if program.is_absolute():  # Else it is on the path.
            variables.append(f"PATH={shlex.quote(str(program.parent))}:$PATH")
        return f"export {' '.join(variables)}"

    def start(self, lifeline: int) -> "subprocess.Popen[bytes]":
        """Start it; it ends when the other end of the lifeline is closed."""
        self.jobs.mkdir()
        self._temporary.mkdir()
        for name, text in HANDLERS.items():
            (self.jobs / name).write_text(text, encoding="utf-8")
        files = [str(self.jobs / name) for name in HANDLERS]
        options = ("--port", "0", "--data-dir", str(self.data_dir), "--lease-s", str(LEASE_S))
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*_OWN, "dev", *files, *options, "--python", sys.executable],
                env={
                    **without_settings(),
                    "TMPDIR": str(self._temporary),
                    LIFELINE_VARIABLE: str(lifeline),
                },
                pass_fds=(lifeline,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C is for this process, which stops the service.
                start_new_session=True,
            )


_OWN = (sys.executable, "-P", "-m", "apphub_jobs")


def _program() -> list[str]:
    """Return the words that start this program in another terminal."""
    program = Path(sys.argv[0])
    if program.name != PROGRAM:
        return [sys.executable, "-m", "apphub_jobs"]
    on_path = shutil.which(PROGRAM)
    if on_path is not None and Path(on_path).samefile(program):
        return [PROGRAM]
    return [str(program.absolute())]


@contextmanager
def running_service() -> Iterator[tuple[Service, "subprocess.Popen[bytes]"]]:
    """Run the service in a temporary directory, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="apphub-play-") as name:
        directory = Path(name)
        if os.geteuid() == 0:
            directory.chmod(0o711)  # PostgreSQL runs as another account, and must get in.
        service = Service(directory)
        lifeline, lifeline_end = os.pipe()  # However this process ends, the service ends, too.
        process = service.start(lifeline)
        os.close(lifeline)
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if not line.startswith("ready "):
                raise failure(service.log)
            service.url = line.split()[1]
            yield service, process
        finally:
            _stop(process)
            os.close(lifeline_end)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # An impatient Ctrl-C would leave files behind.
    if process.poll() is None:
        process.terminate()
        # The second signal hands back at once what runs; the kernel would merge two of a kind.
        process.send_signal(signal.SIGINT)
    process.wait()


def print_history(console: Console, service: Service, history: History) -> None:
    """Print what there is to see, and at which addresses."""
    url = service.url
    preview = service.command(
        *("bulk", "rerun", f"job={DIGEST}", "status=failed", "--set", "template=plain", "--dry-run")
    )
    console.print(f"\n[bold]The page:[/] {url}")
    _print(
        console,
        "A run that waits",
        history.reason,
        f"{url}/?view=run&id={history.waiting}",
        service.command("runs", "explain", history.waiting),
    )
    _print(
        console,
        f"{len(RECIPIENTS)} failures of one cause, whose rerun with another template is previewed",
        history.title,
        f"{url}/?view=failures&id={history.failure}",
        preview,
    )
    _print(
        console,
        "A schedule that is faster than its job",
        f"the tick of {history.skipped_at:%H:%M:%S} UTC is skipped: the run before it goes on",
        f"{url}/?view=schedule&id={SCHEDULE}",
    )
    _print(
        console,
        "The time slider, at a moment at which nothing had failed",
        f"{url}/?view=overview&asOf={history.good_time}",
    )


def print_trials(console: Console, service: Service, history: History, psql: Path | None) -> None:
    """Print four things to try, each with commands that can be pasted."""
    console.print("\n[bold]To try, in a second terminal:[/]")
    for name in sorted(os.environ):
        if name.startswith("APPHUB_") or name == "DATABASE_URL":
            console.print(f"  first: unset {name}")
    _print(
        console,
        "1. Kill the worker of a run. Another one takes over, and the run that waited begins",
        f"kill -9 {history.worker}",
        service.command("runs", "watch", history.importing),
        service.command("events", "show", history.importing),
    )
    _print(
        console,
        "2. Was every promise kept, at every position of the log? Also about your kill",
        service.command("verify", "--histories"),
    )
    _print(
        console,
        "3. What did it look like before the failures, and why did that run wait? `yesterday` and"
        " `2h` are understood, too",
        service.command("runs", "list", "--job", DIGEST, "--as-of", history.good_time),
        service.command("runs", "explain", history.waiting, "--as-of", str(history.waited)),
    )
    _print(
        console,
        "4. Edit a row and the log behind the service's back: one command names the row, one the"
        " event",
        *_edits(history, psql),
        service.command("verify", "job_runs"),
        service.command("seal", "verify"),
    )
    _print(console, "Or ask the README's questions, as they stand there, after", service.settings)
    console.print("\nCtrl-C ends it, and leaves nothing behind.")


def _edits(history: History, psql: Path | None) -> Iterator[str]:
    if psql is None:
        yield "# psql is not installed here: the edit needs one (Debian: postgresql-client)"
        return
    program = shlex.quote(str(psql))
    event = f"UPDATE jobs_events SET actor = 'mallory' WHERE notification_id = {history.launched}"
    yield f"""{program} -c "UPDATE job_runs SET status = 'failed' WHERE id = '{history.digest}'\""""
    switched = [
        f'"ALTER TABLE jobs_events {verb} TRIGGER jobs_events_refuse"'
        for verb in ("DISABLE", "ENABLE")
    ]
    yield f'{program} -c {switched[0]} -c "{event}" -c {switched[1]}'


def _print(console: Console, title: str, *lines: str) -> None:
    console.print(f"\n  [bold]{title}[/]")
    for line in lines:
        console.print(Text(f"    {line}"), soft_wrap=True)


PSQL = """\
#!/bin/sh
# psql as the owner of this database: not for reports, for which `apphub-jobs sql` is.
exec {psql} --no-psqlrc {url} "$@"
"""


def make_psql(service: Service) -> Path | None:
    """Make a command that edits the service's database; None without psql."""
    psql = find_psql(is_private=True)
    if psql is None:
        return None
    server = EmbeddedPostgres(service.data_dir)
    try:
        text = PSQL.format(psql=shlex.quote(str(psql)), url=shlex.quote(server.start()))
    finally:
        server.stop()
    script = service.directory / "psql"
    script.touch(mode=0o700)
    script.write_text(text, encoding="utf-8")
    return script


def run_play(*, opens_page: bool) -> int:
    """Run the service until Ctrl-C, or until it fails; return the exit code."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        "[bold]AppHub Jobs[/] starts from nothing: a private PostgreSQL, migrations, API, worker"
    )
    try:
        with running_service() as (service, process):
            console.print(f"three teams go to work, with the handlers in {service.jobs}")
            with Client(service.url) as client:
                history = make_history(client)
            print_history(console, service, history)
            print_trials(console, service, history, make_psql(service))
            if opens_page and sys.stdout.isatty() and has_screen(os.environ):
                show(service.url)
            raise failure(f"the service ended with exit code {process.wait()}:\n{service.log}")
    except KeyboardInterrupt:
        console.print("\nstopped; nothing is left behind")
        return 0
