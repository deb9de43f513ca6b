"""What `up` and `dev` say at the start: where everything is, what is offered, how to stop."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.text import Text

from api.bootstrap.environment import shown_url
from apphub_jobs.version import VERSION
from cli.database import database_url
from cli.process.sockets import callable_url, url_of
from cli.start.service import Builder, Whole
from worker.executors.packages import BUILTIN, HandlerPackage

WIDEST_NAME = len("no handler")

MOST_NAMES = 12
"""So many handlers of a package are named, the others are counted."""


def console() -> Console:
    """Return where notes are printed: standard error, whose lines are never broken in two."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def say(what: str | Text) -> None:
    """Print a note."""
    if isinstance(what, str):
        what = Text(what)
    with suppress(OSError):  # Of a terminal that is closed, nobody reads any more.
        console().print(what)


@dataclass(frozen=True, kw_only=True)
class Banner:
    """What there is to say before anything starts.

    Attributes:
        url: the address that is listened on.
        directory: the data directory.
        database_url: the operator's own database; None for the private one.
        handlers: the package of each entry point.
    """

    url: str
    directory: Path
    database_url: str | None
    has_tokens: bool
    handlers: Mapping[str, HandlerPackage]
    slots: int
    builder: Builder
    no_handler_after_s: float | None = None

    @classmethod
    def of(
        cls, whole: Whole, listening: socket.socket, handlers: Mapping[str, HandlerPackage]
    ) -> Self:
        """Return the banner of a service that is about to start."""
        return cls(
            url=url_of(listening),
            directory=whole.directory,
            database_url=database_url(whole.storage),
            has_tokens=whole.serving.tokens_file is not None,
            handlers=handlers,
            slots=whole.working.slots,
            builder=whole.builder(),
            no_handler_after_s=whole.working.no_handler_after_s,
        )

    def show(self) -> None:
        """Print it."""
        out = console()
        out.print(f"[bold]AppHub Jobs[/] {VERSION}")
        for name, value in self._lines():
            title = (f"  {name:<{WIDEST_NAME}}  ", "dim")
            line = Text.assemble(title, value)
            out.print(line)

    def _lines(self) -> Iterator[tuple[str, str]]:
        url = callable_url(self.url)
        yield "API", f"{url} ({self._access()})"
        yield "dashboard", url
        yield "docs", f"{url}/docs"
        yield "data", str(self.directory)
        yield "database", self._database()
        yield from self._offers()
        yield "at a time", f"{self.slots} runs (--slots)"
        if self.no_handler_after_s is not None:
            after = f"its runs fail after {self.no_handler_after_s:g} s"
            yield "no handler", f"{after} (--no-handler-after-s)"
        yield "builds", self.builder.told
        yield "stop", "Ctrl-C"

    def _access(self) -> str:
        if self.has_tokens:
            return "with the tokens of --tokens-file"
        return "open: without tokens"

    def _database(self) -> str:
        if self.database_url is None:
            return "a private PostgreSQL in the data directory"
        return shown_url(self.database_url)

    def _offers(self) -> Iterator[tuple[str, str]]:
        """Yield the handlers by package, the operator's own first."""
        named: dict[HandlerPackage, list[str]] = {}
        for name, package in self.handlers.items():
            of_package = named.setdefault(package, [])
            of_package.append(name)
        built_in = named.pop(BUILTIN, [])
        title = "handlers"
        for package, names in named.items():
            origin = ", ".join(package.modules) or "--commands"
            some = _some_of(names)
            yield title, f"{some} ({origin})"
            title = ""
        some = _some_of(built_in)
        yield title, f"{some} (built in)"


def _some_of(names: list[str]) -> str:
    left_out = len(names) - MOST_NAMES
    if left_out <= 0:
        return ", ".join(names)
    first = ", ".join(names[:MOST_NAMES])
    return f"{first} and {left_out} more"
