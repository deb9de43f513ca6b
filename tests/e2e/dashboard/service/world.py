"""The service that the browser looks at, whose API can go and come back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.e2e.dashboard.service.seeding import launch
from tests.support.processes import Process, wait_for_run

T = TypeVar("T")

JOBS = Path(__file__).with_name("jobs_of_apphub.py")


@dataclass
class World:
    """A running service with a worker; its API can be killed and started again at its address.

    Attributes:
        environment: what it calls itself, and its colour.
        api: the one that was started last.
        retried_run: one that failed before it succeeded.
        prepared: what modules have made in it, by name.
    """

    data_dir: Path
    database_url: str
    port: int
    environment: tuple[str, str] = ("test", "green")
    processes: list[Process] = field(default_factory=list)
    api: Process | None = None
    retried_run: str = ""
    prepared: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> httpx.Client:
        """Return what asks it."""
        return httpx.Client(base_url=self.url, timeout=90)

    def start_api(self) -> None:
        """Start the API, and wait until it answers."""
        name, colour = self.environment
        named = ("--environment-name", name, "--environment-colour", colour)
        self.api = self._start("serve", "--port", str(self.port), *named)
        self.api.url()

    def start_worker(self, *options: str) -> None:
        """Start a worker that has the jobs' handlers."""
        worker = self._start("worker", "--handlers", str(JOBS), *options)
        worker.wait_for_line("is ready with", errors=True)

    def _start(self, *command: str) -> Process:
        options = ("--data-dir", str(self.data_dir))
        variables = {"APPHUB_DATABASE_URL": self.database_url}
        process = Process((*command, *options), variables)
        self.processes.append(process)
        return process

    def kill_api(self) -> None:
        """Kill the API, as a crash would; the worker goes on."""
        assert self.api is not None
        self.api.kill_all()

    def stop(self) -> None:
        """Stop all of it."""
        for process in reversed(self.processes):
            process.stop()

    def once(self, name: str, prepare: Callable[[], T]) -> T:
        """Return what `prepare` returned when it was first called under this name.

        A module's fixtures are set up again where its tests come in two parts, as pytest-xdist
        hands them out, while the world stays.
        """
        if name not in self.prepared:
            self.prepared[name] = prepare()
        prepared: T = self.prepared[name]
        return prepared

    def launch(self, slug: str, **parameters: Any) -> str:
        """Launch a run; return its id."""
        with self.client as client:
            return launch(client, slug, **parameters)

    def ended(self, run_id: str) -> dict[str, Any]:
        """Return a run once it has ended."""
        with self.client as client:
            return wait_for_run(client, run_id)
