"""Large bodies: bounded by what they hold, cut off where they are slow, parsed in turn."""

from dataclasses import dataclass, field

import pytest

from api.http.bodies import IncomingBodies, LargeBody, ParsingQueue

MAX_BYTES = 1_000_000


@dataclass
class Notes:
    """What was called, in order: bodies by name."""

    resumed: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    parsed: list[str] = field(default_factory=list)

    def body(self, name: str, client: str = "a") -> LargeBody:
        """Return a body that notes what is done with it."""
        body = LargeBody(
            client, lambda: self.resumed.append(name), lambda: self.rejected.append(name)
        )
        body.parse = lambda: self.parsed.append(name)
        return body


async def test_a_body_waits_where_all_hold_too_much_and_goes_on_when_one_is_answered() -> None:
    notes, incoming = Notes(), IncomingBodies(MAX_BYTES)
    first, second = notes.body("first"), notes.body("second")
    incoming.update(first, MAX_BYTES - 10)
    seen: list[bool] = []
    for held_bytes in (10, 11):
        incoming.update(second, held_bytes)
        seen.append(second.is_paused)
    incoming.release(first)
    assert [*seen, second.is_paused] == [False, True, False]
    assert notes.resumed == ["second"]


async def test_what_a_client_holds_beyond_others_waits_longest() -> None:
    notes, incoming = Notes(), IncomingBodies(MAX_BYTES)
    in_hand = notes.body("in hand", "c")
    greedy = [notes.body(f"greedy {n}", "greedy") for n in range(3)]
    modest = notes.body("modest", "modest")
    incoming.update(in_hand, MAX_BYTES)
    incoming.complete(in_hand)
    for body in greedy:
        incoming.update(body, 20_000)
    incoming.update(modest, 1)
    incoming.release(in_hand)
    assert notes.resumed[0] == "modest"


async def test_where_all_wait_for_each_other_one_goes_on() -> None:
    notes, incoming = Notes(), IncomingBodies(MAX_BYTES)
    first, second = notes.body("first"), notes.body("second")
    incoming.update(first, MAX_BYTES)
    incoming.update(second, 1)
    assert second.is_paused
    incoming.update(first, MAX_BYTES + 1)
    assert first.is_paused
    incoming._check()
    assert notes.resumed == ["second"]


async def test_of_those_that_come_slowly_the_one_of_the_largest_client_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.http.bodies.SLOW_BODY_S", 0.0)
    notes, incoming = Notes(), IncomingBodies(MAX_BYTES)
    incoming.update(notes.body("modest", "modest"), 100_000)
    incoming.update(notes.body("slow", "greedy"), 450_000)
    incoming.update(notes.body("slower", "greedy"), 450_000)
    incoming._check()
    assert notes.rejected == []  # Nobody waits.
    incoming.update(notes.body("waits", "other"), 1)
    incoming._check()
    assert len(notes.rejected) == 1
    assert notes.rejected[0] in {"slow", "slower"}
    assert notes.resumed == ["waits"]


def test_bodies_are_parsed_as_memory_allows_one_client_after_the_other() -> None:
    notes, queue = Notes(), ParsingQueue(MAX_BYTES)
    bodies = [notes.body(f"a{n}") for n in range(3)] + [notes.body("b0", "b")]
    for body in bodies:
        body.held_bytes = MAX_BYTES
        queue.enqueue(body)
    assert notes.parsed == ["a0"]
    queue.release(bodies[0])
    assert notes.parsed == ["a0", "a1"]
    queue.release(bodies[1])
    assert notes.parsed == ["a0", "a1", "b0"]


def test_who_leaves_while_it_waits_for_its_turn_is_passed() -> None:
    notes, queue = Notes(), ParsingQueue(MAX_BYTES)
    bodies = [notes.body(name, name) for name in "abc"]
    for body in bodies:
        body.held_bytes = MAX_BYTES
        queue.enqueue(body)
    queue.release(bodies[1])
    queue.release(bodies[0])
    assert notes.parsed == ["a", "c"]
