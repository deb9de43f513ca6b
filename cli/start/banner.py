"""What `up` and `dev` print at the start: addresses, handlers, limits, and how to stop."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.text import Text

from api.bootstrap.database_url import url_without_password
from apphub_jobs.version import VERSION
from cli.database import database_url
from cli.process.sockets import callable_url, url_of
from cli.start.checks import Builder, builder_of
from cli.start.service import AllOptions
from runtime.logs import is_logging_json
from worker.executors.packages import BUILTIN, HandlerPackage

WIDEST_NAME = len("no handler")

MAX_NAMES = 12
"""Handlers of a package that are named; the others are counted."""


def console() -> Console:
    """Return standard error as a console that never wraps lines."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


@dataclass(frozen=True, kw_only=True)
class Banner:
    """The facts that are printed before anything starts.

    Attributes:
        url: the address that the API listens on.
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
        cls, options: AllOptions, listening: socket.socket, handlers: Mapping[str, HandlerPackage]
    ) -> Self:
        """Return the banner of a service that is about to start."""
        return cls(
            url=url_of(listening),
            directory=options.directory,
            database_url=database_url(options.storage),
            has_tokens=options.serving.tokens_file is not None,
            handlers=handlers,
            slots=options.working.slots,
            builder=builder_of(options),
            no_handler_after_s=options.working.no_handler_after_s,
        )

    def show(self) -> None:
        """Print the banner to standard error, unless the log is for programs."""
        if is_logging_json():
            return
        out = console()
        out.print(f"[bold]AppHub Jobs[/] {VERSION}")
        for name, value in self._lines():
            out.print(Text.assemble((f"  {name:<{WIDEST_NAME}}  ", "dim"), value))

    def _lines(self) -> Iterator[tuple[str, str]]:
        url = callable_url(self.url)
        yield "API", f"{url} ({self._access()})"
        yield "dashboard", url
        yield "docs", f"{url}/docs"
        yield "data", str(self.directory)
        yield "database", self._database()
        yield from self._handlers()
        yield "slots", f"{self.slots} runs at a time (--slots)"
        if self.no_handler_after_s is not None:
            after_s = f"{self.no_handler_after_s:g} s"
            yield "no handler", f"runs fail after {after_s} (--no-handler-after-s)"
        yield "builds", self.builder.message
        yield "stop", "Ctrl-C"

    def _access(self) -> str:
        if self.has_tokens:
            return "with the tokens of --tokens-file"
        return "open: without tokens"

    def _database(self) -> str:
        if self.database_url is None:
            return "a private PostgreSQL in the data directory"
        return url_without_password(self.database_url)

    def _handlers(self) -> Iterator[tuple[str, str]]:
        """Yield the handlers by package, the operator's own first."""
        by_package: dict[HandlerPackage, list[str]] = {}
        for name, package in self.handlers.items():
            by_package.setdefault(package, []).append(name)
        built_in = by_package.pop(BUILTIN, [])
        title = "handlers"
        for package, names in by_package.items():
            origin = ", ".join(package.modules) or "--commands"
            yield title, f"{_join_first(names)} ({origin})"
            title = ""
        yield title, f"{_join_first(built_in)} (built in)"
        for package in by_package:
            python = package.interpreter
            if python is not None:
                origin = ", ".join(package.modules)
                yield "python", f"{python.version} of {python.prefix} ({origin})"


def _join_first(names: list[str]) -> str:
    left_out = len(names) - MAX_NAMES
    if left_out <= 0:
        return ", ".join(names)
    first = ", ".join(names[:MAX_NAMES])
    return f"{first} and {left_out} more"
