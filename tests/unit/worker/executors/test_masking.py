"""Secrets in what handlers print, wherever a piece of it ends."""

import pytest

from worker.executors.local.masking import Masker, find_secrets, mask

KEY = "sk-0123456789"
PEM = "-----BEGIN KEY-----\nMIIabcdefgh\nshort\n-----END KEY-----"
VARIABLES = {
    "KEY": KEY,
    "LONGER": KEY + "-and-more",
    "PEM": PEM,
    "SHORT": "1234567",
    "OTHER": "not passed on",
    "HTTPS_PROXY": "http://me:pass:word@proxy:3128",
    "no_proxy": "internal.example",
}


def test_what_is_secret_is_each_line_of_eight_characters_and_passwords_of_proxies() -> None:
    secrets = find_secrets(VARIABLES, ["KEY", "LONGER", "PEM", "SHORT", "UNSET"])
    assert set(secrets) == {
        *(KEY, KEY + "-and-more", "pass:word"),
        *("-----BEGIN KEY-----", "MIIabcdefgh", "-----END KEY-----"),
    }
    lengths = list(map(len, secrets))
    assert lengths == sorted(lengths, reverse=True)
    assert mask(f"no {KEY}-and-more, no {KEY}", secrets) == "no ***, no ***"


PRINTED = f"a {KEY}{KEY}\nsk-0 sk-012345678 {KEY[:-1]}ü {KEY}".encode()
KEPT = f"a ******\nsk-0 sk-012345678 {KEY[:-1]}ü ***".encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(KEY), len(PRINTED)])
def test_a_secret_is_masked_wherever_a_piece_ends_and_nothing_else_is_lost(size: int) -> None:
    masker = Masker([KEY])
    pieces = [masker.add(PRINTED[at : at + size]) for at in range(0, len(PRINTED), size)]
    assert b"".join([*pieces, masker.flush()]) == KEPT
    assert masker.flush() == b""


def test_only_what_may_begin_a_secret_is_held_back() -> None:
    masker = Masker([KEY])
    assert masker.add(b"how many? ") == b"how many? "
    assert masker.add(b"sk-01") == b""
    assert masker.add(b"x") == b"sk-01x"
    assert Masker([]).add(b"sk-01") == b"sk-01"
