"""Guessing tokens: bounded by address, in number and in memory."""

import pytest

from api.access import (
    ADDRESS_BURST,
    MAX_ACCEPTED,
    MAX_ADDRESSES,
    TOTAL_BURST,
    GuessLimiter,
    TooManyGuessesError,
)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def guess(guesses: GuessLimiter, address: str, token: str, *, right: bool = False) -> None:
    guesses.check(address, token)
    guesses.record(address, token, is_correct=right)


def exhaust(guesses: GuessLimiter, address: str) -> None:
    for number in range(ADDRESS_BURST):
        guess(guesses, address, f"wrong {number}")
    with pytest.raises(TooManyGuessesError):
        guesses.check(address, "wrong again")


def test_an_address_may_guess_so_often_and_then_once_a_second() -> None:
    clock = Clock()
    guesses = GuessLimiter(clock)
    exhaust(guesses, "192.0.2.1")
    clock.now_s = 1.5
    guess(guesses, "192.0.2.1", "wrong once more")
    with pytest.raises(TooManyGuessesError):
        guesses.check("192.0.2.1", "wrong again")
    clock.now_s = 1_000.0
    exhaust(guesses, "192.0.2.1")


def test_whoever_was_right_from_there_is_not_locked_out_and_others_are() -> None:
    guesses = GuessLimiter(Clock())
    guess(guesses, "192.0.2.1", "good", right=True)
    exhaust(guesses, "192.0.2.1")
    guesses.check("192.0.2.1", "good")
    with pytest.raises(TooManyGuessesError):
        guesses.check("192.0.2.1", "good as well, but never used from there")
    guesses.check("192.0.2.2", "anything")


def test_a_token_that_was_taken_away_is_a_guess_like_others() -> None:
    guesses = GuessLimiter(Clock())
    guess(guesses, "192.0.2.1", "good", right=True)
    guess(guesses, "192.0.2.1", "good")
    exhaust_rest = ADDRESS_BURST - 1
    for number in range(exhaust_rest):
        guess(guesses, "192.0.2.1", f"wrong {number}")
    with pytest.raises(TooManyGuessesError):
        guesses.check("192.0.2.1", "good")


def test_all_addresses_of_a_network_of_ipv6_count_as_one() -> None:
    guesses = GuessLimiter(Clock())
    for number in range(ADDRESS_BURST):
        guess(guesses, f"2001:db8:0:1::{number:x}", "wrong")
    with pytest.raises(TooManyGuessesError):
        guesses.check("2001:db8:0:1:ffff::1", "wrong")
    guesses.check("2001:db8:0:2::1", "wrong")


def test_however_many_addresses_and_tokens_come_memory_is_bounded() -> None:
    clock = Clock()
    guesses = GuessLimiter(clock)
    for number in range(3 * MAX_ADDRESSES):
        clock.now_s = number  # So slow that together they are no guessers.
        guess(guesses, f"host-{number}", "wrong")
        guess(guesses, f"host-{number}", "good", right=True)
    assert len(guesses) == MAX_ADDRESSES + MAX_ACCEPTED


def test_all_addresses_together_may_guess_so_often_and_then_a_few_a_second() -> None:
    clock = Clock()
    guesses = GuessLimiter(clock)
    guess(guesses, "192.0.2.1", "good", right=True)
    for number in range(TOTAL_BURST):
        guess(guesses, f"10.1.{number // 256}.{number % 256}", "wrong")
    with pytest.raises(TooManyGuessesError):
        guesses.check("198.51.100.7", "wrong")
    guesses.check("192.0.2.1", "good")
    clock.now_s = 1.0
    guess(guesses, "198.51.100.7", "wrong")
