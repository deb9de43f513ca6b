"""Large bodies: what they hold while they arrive, and which one is parsed next.

While it arrives, a body costs only what has arrived, so a slow client delays no other one. Parsed,
it costs thirty times as much: so bodies are parsed in turn, one client after the other. A client is
the address of a connection; behind a proxy, all clients are one.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from api.http.limits import BUFFER_BYTES, SLOW_BODY_S

LOOK_S = 0.1
"""How often it is looked whether bodies that wait can go on."""


@dataclass(eq=False)
class LargeBody:
    """A body of a request, from its first byte until its answer.

    Attributes:
        client: whose it is.
        read_on: called when more of it may be read.
        cut_off: called when it is to be refused: it comes slowly, and others wait.
        held_bytes: what has come of it.
        is_waiting: whether nothing more of it is read at present.
        is_complete: whether all of it has come.
        has_turn: whether it is parsed, or its request worked on.
        parse: called when it is its turn to be parsed.
    """

    client: str
    read_on: Callable[[], object]
    cut_off: Callable[[], object]
    held_bytes: int = 0
    is_waiting: bool = False
    is_complete: bool = False
    has_turn: bool = False
    parse: Callable[[], object] = bool
    _read_s: float = 0.0
    _since_s: float = 0.0

    def resume(self) -> None:
        """Note that it is read from now on."""
        self.is_waiting = False
        self._since_s = monotonic()

    def wait(self) -> None:
        """Note that it is not read from now on."""
        self.is_waiting = True
        self._read_s += monotonic() - self._since_s

    def read_s(self) -> float:
        """Return for how long it could have come, and did not come to its end."""
        if self.is_waiting:
            return self._read_s
        return self._read_s + monotonic() - self._since_s


class IncomingBodies:
    """Bounds what all bodies together hold.

    Where that is too much, they wait, unread, and go on as others are answered: first those of
    the client that holds least. A body that is read for a while and still not there is cut off
    then, first those of the client that holds most.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held_bytes = 0
        self._of_client: Counter[str] = Counter()
        self._bodies: set[LargeBody] = set()
        self._waiting: dict[LargeBody, None] = {}
        self._looks = False

    def hold(self, body: LargeBody, held_bytes: int) -> None:
        """Note how much has come of a body; it may have to wait from now on."""
        if body not in self._bodies:
            self._bodies.add(body)
            body.resume()
        self._charge(body, held_bytes - body.held_bytes)
        if self._held_bytes > self._most_bytes and not body.is_waiting:
            body.wait()
            self._waiting[body] = None
            self._look_soon()

    def complete(self, body: LargeBody) -> None:
        """Note that all of it has come."""
        body.is_complete = True
        self._go_on(body)

    def release(self, body: LargeBody) -> None:
        """Forget a body that is answered, or gone."""
        if body in self._bodies:
            self._bodies.remove(body)
            self._waiting.pop(body, None)
            self._charge(body, -body.held_bytes)
            self._let_in()

    def _charge(self, body: LargeBody, more_bytes: int) -> None:
        body.held_bytes += more_bytes
        self._held_bytes += more_bytes
        self._of_client[body.client] += more_bytes
        if not self._of_client[body.client]:
            del self._of_client[body.client]

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._looks = False
        if not self._waiting:
            return
        self._look_soon()  # The next look comes even if this one fails.
        self._cut_off_slow()
        self._let_in()

    def _let_in(self) -> None:
        free = (self._most_bytes - self._held_bytes) // BUFFER_BYTES
        if free <= 0 and not any(not body.is_waiting for body in self._bodies):
            free = 1  # All wait for each other.
        first = sorted(self._waiting, key=lambda body: self._of_client[body.client])
        for body in first[: max(free, 0)]:
            self._go_on(body)

    def _go_on(self, body: LargeBody) -> None:
        if body.is_waiting:
            self._waiting.pop(body, None)
            body.resume()
            body.read_on()

    def _cut_off_slow(self) -> None:
        slow = [
            body
            for body in self._bodies
            if not (body.is_complete or body.is_waiting) and body.read_s() > SLOW_BODY_S
        ]
        slow.sort(key=lambda body: (self._of_client[body.client], body.read_s()))
        while slow and self._held_bytes > self._most_bytes:
            body = slow.pop()
            body.cut_off()
            self.release(body)


class ParsingTurns:
    """Lets bodies be parsed, as many at a time as memory allows, one client after the other."""

    def __init__(self, most_bytes: int) -> None:
        self._free_bytes = most_bytes
        self._waiting: dict[str, deque[LargeBody]] = {}

    def ask(self, body: LargeBody) -> None:
        """Have a body that is complete parsed, at once or when it is its turn."""
        self._waiting.setdefault(body.client, deque()).append(body)
        self._let_in()

    def release(self, body: LargeBody) -> None:
        """Take back a body's turn, if it has one or waits for one."""
        if body.has_turn:
            body.has_turn = False
            self._free_bytes += body.held_bytes
        elif body in (waiting := self._waiting.get(body.client, deque())):
            waiting.remove(body)
            if not waiting:
                del self._waiting[body.client]
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            client, bodies = next(iter(self._waiting.items()))
            body = bodies[0]
            if body.held_bytes > self._free_bytes:
                return
            bodies.popleft()
            # The client's next one comes after those of all others.
            del self._waiting[client]
            if bodies:
                self._waiting[client] = bodies
            self._free_bytes -= body.held_bytes
            body.has_turn = True
            body.parse()
