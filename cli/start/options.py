"""The options of `worker`, `up` and `dev` that a worker has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

DEV_NO_HANDLER_AFTER_S = 5.0
"""Under `dev` a missing handler is a spelling mistake rather than a stopped worker."""

STOP_GRACE_S = 30.0

DEV_STOP_GRACE_S = 2.0
"""Under `dev` a person waits at the terminal after Ctrl-C: only a short run may end."""


Pythons = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        envvar="APPHUB_PYTHON",
        metavar="PATH",
        help="The Python that runs the handlers, or the directory of its environment; MODULE:PATH"
        " for the handlers of one module; may be given several times. Default: the active virtual"
        " environment, else .venv in the handlers' project, else the service's own Python.",
    ),
]


@dataclass(frozen=True)
class WorkOptions:
    """What a worker executes, and how many runs at a time."""

    slots: Annotated[
        int, typer.Option(envvar="APPHUB_SLOTS", min=1, max=256, help="Runs executed at a time.")
    ] = 4
    shared_slots: Annotated[
        int,
        typer.Option(
            envvar="APPHUB_SHARED_SLOTS",
            min=0,
            max=2_000,
            help="Further runs executed at a time, of jobs whose attempts share a process.",
        ),
    ] = 200
    lease_s: Annotated[
        float,
        typer.Option(
            envvar="APPHUB_LEASE_S",
            min=1,
            max=3_600,
            help="Seconds of silence after which a worker is lost.",
        ),
    ] = 15.0
    stop_grace_s: Annotated[
        float | None,
        typer.Option(
            envvar="APPHUB_STOP_GRACE_S",
            min=0,
            max=604_800,
            help="Seconds that running attempts have to end after SIGTERM or Ctrl-C; then, or at a"
            " second signal, they are handed back. By default"
            f" {STOP_GRACE_S:g} seconds, under `dev` {DEV_STOP_GRACE_S:g}.",
        ),
    ] = None
    no_handler_after_s: Annotated[
        float | None,
        typer.Option(
            envvar="APPHUB_NO_HANDLER_AFTER_S",
            min=0,
            max=86_400,
            help="Seconds after which a run fails if no living worker has its handler. By default"
            f" the run waits; under `dev` {DEV_NO_HANDLER_AFTER_S:g} seconds.",
        ),
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option(
            envvar="APPHUB_LABELS",
            metavar="NAME=VALUE",
            help="A label that jobs may require of the worker; may be given several times.",
        ),
    ] = None
    handlers: Annotated[
        list[str] | None,
        typer.Option(
            "--handlers",
            envvar="APPHUB_HANDLERS",
            help="Module or file with handlers, or a YAML file that lists them with their Pythons;"
            " may be given several times.",
        ),
    ] = None
    python: Pythons = None
    commands: Annotated[
        Path | None,
        typer.Option(
            envvar="APPHUB_COMMANDS",
            help='JSON file {"NAME": ["program", …]}; run by the handlers command.NAME.',
        ),
    ] = None
    allow_private_repositories: Annotated[
        bool,
        typer.Option(
            "--allow-private-repositories",
            envvar="APPHUB_ALLOW_PRIVATE_REPOSITORIES",
            help="Allow apps whose repositories are on this machine's servers or private networks.",
        ),
    ] = False
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            "--pass-env",
            envvar="APPHUB_PASS_ENV",
            metavar="NAME,…",
            help="Variables that the worker passes to handlers, as secrets that logs mask;"
            " MODULE:NAME,… only for the handlers of a module or of command.NAME;"
            " may be given several times.",
        ),
    ] = None
    writable: Annotated[
        list[Path] | None,
        typer.Option(
            "--writable",
            envvar="APPHUB_WRITABLE",
            metavar="DIRECTORY",
            help="A directory that handlers may write to, besides their own, temporary ones and"
            " the worker's current one; may be given several times.",
        ),
    ] = None
    trust_handlers: Annotated[
        bool,
        typer.Option(
            "--trust-handlers",
            envvar="APPHUB_TRUST_HANDLERS",
            help="Do not confine handlers: they see the service's own files, keys included, and"
            " other attempts, change all files that the worker can, and are root if the worker is.",
        ),
    ] = False

    def grace_s(self, default_s: float = STOP_GRACE_S) -> float:
        """Return how long running attempts may take to end once the process is stopped."""
        return default_s if self.stop_grace_s is None else self.stop_grace_s
