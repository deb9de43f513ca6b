"""`apphub-jobs dev`: everything as in `up`, with the handlers of files that are being written."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

from rich.text import Text

from api.process.child import Child
from api.process.developing.browsing import show
from api.process.developing.happenings import (
    Changed,
    Happenings,
    Key,
    NotTaken,
    Probed,
)
from api.process.developing.output import Output
from api.process.developing.plans import lines_of, plan_of
from api.process.developing.workshop import Workshop, packages_by_name
from api.process.handler_feed import HandlerFile
from api.process.listening import callable_url
from api.process.up import Supervisor
from apphub_jobs.client import Client, ClientError
from worker.executors.local.probe import Offer

RELOAD_S = 10.0
"""How long a worker may take to use other handlers: it only starts processes."""

KEYS = (
    "keys: r runs the last one again, o shows what runs print, d opens the dashboard,"
    " ? helps; Ctrl-C stops"
)

KEPT = "mend it and save it; until then the handlers of before stay"

Say = Callable[[str | Text], None]


class Developer(Supervisor):
    """Replaces handlers while everything else, runs included, goes on."""

    def __init__(
        self,
        environment: Mapping[str, str],
        listening: socket.socket,
        say: Say,
        workshop: Workshop,
        happenings: Happenings,
    ) -> None:
        """Take what `up` takes, what probes the handlers, and what there is to be dealt with."""
        self._file = HandlerFile()
        super().__init__(
            {**environment, **self._file.variables},
            listening,
            say,
            worker_passed=(self._file.descriptor,),
        )
        self._talk = say
        self._workshop = workshop
        self._happenings = happenings
        self._client: Client | None = None
        self._output: Output | None = None
        self._dashboard = ""
        self.shows_output = False
        self.has_keys = False
        self.opens_dashboard = False

    def run(self) -> int:
        """Run with the handlers that the workshop has found so far."""
        self._file.write(packages_by_name(self._workshop.offers))
        return super().run()

    def ready(self, url: str) -> None:
        """Register the jobs once somebody can be asked to."""
        self._dashboard = callable_url(url)
        self._client = Client(self._dashboard)
        self._output = Output(self._client, self._say)
        self._register()
        if self.shows_output:
            self._output.toggle()
        if self.has_keys:
            self._say(KEYS)
        super().ready(url)
        if self.opens_dashboard:
            show(self._dashboard)

    def idle(self, for_s: float) -> None:
        """Deal with what happens meanwhile."""
        happening = self._happenings.next(for_s)
        match happening:
            case Changed(paths=paths):
                names = ", ".join(Path(path).name for path in paths)
                self._say(f"changed: {names}")
                self._workshop.look()
            case Probed(offers=offers):
                self._use(offers)
                self._workshop.done()
            case NotTaken(reason=reason):
                self._talk(Text(reason, "red"))
                self._say(KEPT)
                self._workshop.done()
            case Key(name=name):
                self._press(name)
            case None:
                pass

    def close(self) -> None:
        """Let go of what was opened."""
        super().close()
        self._workshop.close()
        self._file.close()
        if self._client is not None:
            self._client.close()

    def _use(self, offers: Mapping[str, Offer]) -> None:
        """Have the worker use other handlers from now on."""
        self._workshop.offers = offers
        worker = self.child("worker")
        worker.expect_ready()
        self._file.write(packages_by_name(offers))
        self._file.poke()
        deadline = monotonic() + RELOAD_S
        while self._waits_for(worker) and monotonic() < deadline:
            worker.wait_ready(0.05)
        if worker.is_ready:
            self._say("the new handlers are in use")
            self._register()
        elif not self.is_stopping:
            self._say("the worker has not taken the new handlers yet")

    def _waits_for(self, worker: Child) -> bool:
        return not (worker.is_ready or worker.ended or self.is_stopping)

    def _register(self) -> None:
        """Register the jobs found, a new version only where something changed."""
        client = self._client
        if client is None:
            return
        for offer in self._workshop.offers.values():
            if offer.definition is None:
                continue
            try:
                plan = plan_of(client, offer.definition)
                if plan.what == "keep":
                    continue
                for line in lines_of(plan):
                    self._talk(line)
                client.apply(offer.definition)
            except ClientError as error:
                told = f"{offer.name} cannot be registered: {error}"
                self._talk(Text(told, "red"))

    def _press(self, key: str) -> None:
        match key:
            case "r":
                self._run_again()
            case "o":
                self._toggle_output()
            case "d":
                self._open_dashboard()
            case "?" | "h":
                self._say(KEYS)
            case _:
                pass

    def _toggle_output(self) -> None:
        self.shows_output = not self.shows_output
        if self._output is not None:
            self._output.toggle()
        shown = "shown" if self.shows_output else "no longer shown"
        self._say(f"what runs print is {shown}")

    def _open_dashboard(self) -> None:
        if not self._dashboard:
            self._say("nothing is ready yet")
            return
        self._say(f"the dashboard is at {self._dashboard}")
        show(self._dashboard)

    def _run_again(self) -> None:
        client = self._client
        if client is None:
            self._say("nothing is ready yet")
            return
        try:
            last = next(iter(client.runs()), None)
            if last is None:
                self._say("nothing was run yet: apphub-jobs run SLUG name=value")
                return
            client.launch(last.slug, last.document.parameters)
        except ClientError as error:
            line = Text(f"cannot run it again: {error}", "red")
            self._talk(line)
