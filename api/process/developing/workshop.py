"""The handlers that `dev` offers: probed in the background whenever their files have changed."""

import subprocess
import threading
from collections.abc import Mapping

from api.process.developing.happenings import Happenings, NotTaken, Probed
from worker.executors.local.probe import HandlersError, Offer, end_probe, offers
from worker.executors.packages import HandlerPackage, HandlerSource, packages_of


def packages_by_name(offers: Mapping[str, Offer]) -> Mapping[str, HandlerPackage]:
    """Return the package of each entry point."""
    return {name: offer.package for name, offer in offers.items()}


class Workshop:
    """Asks probes what there is; the last answer that was no failure counts."""

    def __init__(self, source: HandlerSource, happenings: Happenings) -> None:
        self._source = source
        self._happenings = happenings
        self._is_probing = False
        self._once_more = False
        self._is_closed = False
        self._probes: list[subprocess.Popen[bytes]] = []
        self._thread: threading.Thread | None = None
        self.offers: Mapping[str, Offer] = {}

    def first(self) -> str | None:
        """Ask now; return what is wrong with the operator's handlers, if so.

        What else there is, such as the built-in handlers, is offered all the same.

        Raises:
            HandlersError: not even that can be had.
        """
        try:
            self.offers = offers(packages_of(self._source))
        except HandlersError as error:
            self.offers = offers(packages_of(HandlerSource()))
            return str(error)
        return None

    def look(self) -> None:
        """Ask in the background; what comes of it is a happening."""
        if self._is_probing:
            self._once_more = True
            return
        self._is_probing = True
        self._thread = threading.Thread(target=self._probe, name="probe", daemon=True)
        self._thread.start()

    def done(self) -> None:
        """Note that an answer has come; ask again where files have changed meanwhile."""
        self._is_probing = False
        if self._once_more:
            self._once_more = False
            self.look()

    def _probe(self) -> None:
        try:
            found = offers(packages_of(self._source), self._take)
        except (ValueError, OSError) as error:
            self._happenings.add(NotTaken(str(error)))
        else:
            self._happenings.add(Probed(found))

    def close(self) -> None:
        """End what is being asked in the background, and leave nothing of it behind."""
        self._is_closed = True
        for process in self._probes:
            end_probe(process)
        if self._thread is not None:
            self._thread.join()

    def _take(self, process: "subprocess.Popen[bytes]") -> None:
        self._probes = [one for one in self._probes if one.returncode is None]
        self._probes.append(process)
        if self._is_closed:
            end_probe(process)
