"""Large bodies: bounded by what they hold, cut off where they are slow, parsed in turn."""

from dataclasses import dataclass, field

import pytest

from api.http.bodies import IncomingBodies, LargeBody, ParsingTurns

MOST = 1_000_000


@dataclass
class Notes:
    """What was called, in order: bodies by name."""

    read_on: list[str] = field(default_factory=list)
    cut_off: list[str] = field(default_factory=list)
    parsed: list[str] = field(default_factory=list)

    def body(self, name: str, client: str = "a") -> LargeBody:
        """Return a body that notes what is done with it."""
        body = LargeBody(
            client, lambda: self.read_on.append(name), lambda: self.cut_off.append(name)
        )
        body.parse = lambda: self.parsed.append(name)
        return body


async def test_a_body_waits_where_all_hold_too_much_and_goes_on_when_one_is_answered() -> None:
    notes, incoming = Notes(), IncomingBodies(MOST)
    first, second = notes.body("first"), notes.body("second")
    incoming.hold(first, MOST - 10)
    seen: list[bool] = []
    for held_bytes in (10, 11):
        incoming.hold(second, held_bytes)
        seen.append(second.is_waiting)
    incoming.release(first)
    assert [*seen, second.is_waiting] == [False, True, False]
    assert notes.read_on == ["second"]


async def test_what_a_client_holds_beyond_others_waits_longest() -> None:
    notes, incoming = Notes(), IncomingBodies(MOST)
    in_hand = notes.body("in hand", "c")
    greedy = [notes.body(f"greedy {n}", "greedy") for n in range(3)]
    modest = notes.body("modest", "modest")
    incoming.hold(in_hand, MOST)
    incoming.complete(in_hand)
    for body in greedy:
        incoming.hold(body, 20_000)
    incoming.hold(modest, 1)
    incoming.release(in_hand)
    assert notes.read_on[0] == "modest"


async def test_where_all_wait_for_each_other_one_goes_on() -> None:
    notes, incoming = Notes(), IncomingBodies(MOST)
    first, second = notes.body("first"), notes.body("second")
    incoming.hold(first, MOST)
    incoming.hold(second, 1)
    assert second.is_waiting
    incoming.hold(first, MOST + 1)
    assert first.is_waiting
    incoming._look()
    assert notes.read_on == ["second"]


async def test_of_those_that_come_slowly_the_one_of_the_largest_client_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.http.bodies.SLOW_BODY_S", 0.0)
    notes, incoming = Notes(), IncomingBodies(MOST)
    incoming.hold(notes.body("modest", "modest"), 100_000)
    incoming.hold(notes.body("slow", "greedy"), 450_000)
    incoming.hold(notes.body("slower", "greedy"), 450_000)
    incoming._look()
    assert notes.cut_off == []  # Nobody waits.
    incoming.hold(notes.body("waits", "other"), 1)
    incoming._look()
    assert len(notes.cut_off) == 1
    assert notes.cut_off[0] in {"slow", "slower"}
    assert notes.read_on == ["waits"]


def test_bodies_are_parsed_as_memory_allows_one_client_after_the_other() -> None:
    notes, turns = Notes(), ParsingTurns(MOST)
    bodies = [notes.body(f"a{n}") for n in range(3)] + [notes.body("b0", "b")]
    for body in bodies:
        body.held_bytes = MOST
        turns.ask(body)
    assert notes.parsed == ["a0"]
    turns.release(bodies[0])
    assert notes.parsed == ["a0", "a1"]
    turns.release(bodies[1])
    assert notes.parsed == ["a0", "a1", "b0"]


def test_who_leaves_while_it_waits_for_its_turn_is_passed() -> None:
    notes, turns = Notes(), ParsingTurns(MOST)
    bodies = [notes.body(name, name) for name in "abc"]
    for body in bodies:
        body.held_bytes = MOST
        turns.ask(body)
    turns.release(bodies[1])
    turns.release(bodies[0])
    assert notes.parsed == ["a", "c"]
