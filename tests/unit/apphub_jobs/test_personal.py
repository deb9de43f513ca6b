"""What is said of a failure, without the run's personal values."""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from apphub_jobs.personal import MAX_VALUES, PERSONAL, WITHHELD, redact_personal

NAME = 'Zoë O\'Hara "Zo"\n'


@pytest.mark.parametrize(
    "message",
    [
        NAME,
        NAME.upper(),
        repr(NAME)[1:-1],
        ascii(NAME)[1:-1],
        json.dumps(NAME)[1:-1],
        json.dumps(NAME, ensure_ascii=False)[1:-1],
        quote(NAME),
        quote_plus(NAME),
    ],
)
def test_a_value_is_left_out_however_it_is_quoted(message: str) -> None:
    text = redact_personal(f"no letter for <{message}>", {"name": NAME}, ["name"])
    assert text == f"no letter for <{PERSONAL}>"


def test_values_within_a_value_are_left_out_and_a_programs_names_are_not() -> None:
    address: Any = {
        "street_name": "Elm Street 55",
        "phones": [5550012345, 1.23456789, True, None],
        "ada@example.com": 1,
    }
    message = "KeyError: 'street_name' of Elm Street 55, 5550012345, 1.23456789, ada@example.com"
    assert redact_personal(message, {"address": address}, ["address"]) == (
        f"KeyError: 'street_name' of {PERSONAL}, {PERSONAL}, {PERSONAL}, {PERSONAL}"
    )


def test_only_marked_values_of_eight_characters_or_more_are_looked_for() -> None:
    parameters = {"name": "1234567", "day": "wednesday", "mail": "12345678"}
    message = "1234567 wednesday 12345678"
    assert (
        redact_personal(message, parameters, ["name", "mail", "gone"])
        == f"1234567 wednesday {PERSONAL}"
    )


def test_the_longest_of_several_values_is_left_out_as_a_whole() -> None:
    parameters = {"name": "Ada Lovelace", "mail": "Ada Lovelace <ada@example.com>"}
    message = "to Ada Lovelace <ada@example.com>"
    assert redact_personal(message, parameters, ["name", "mail"]) == f"to {PERSONAL}"


def test_of_a_run_with_too_many_values_nothing_is_said() -> None:
    many = [f"somebody-{n}" for n in range(MAX_VALUES + 1)]
    assert redact_personal("a word", {"all": many}, ["all"]) == WITHHELD
    assert redact_personal("a word", {"all": many[1:]}, ["all"]) == "a word"
