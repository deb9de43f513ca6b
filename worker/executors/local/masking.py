"""Masks secrets in handlers' output and errors: the values that the operator passed to them.

It helps against accidents only: a value that is encoded, cut, or shorter than eight characters
stays.
"""

from __future__ import annotations

# Type checkers know the names; importing typing would cost a third of a supervisor's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


MASK = "***"

SHORTEST = 8
"""Characters of a value that is masked: shorter ones are parts of many words."""

PROXIES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)


def secrets_in(variables: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return the secrets in these variables, the longest first; of proxies the passwords.

    Each line of a value is a secret of its own, for logs are written and read by lines.
    """
    values = {_password_of(variables.get(name, "")) for name in PROXIES}
    for name in names:
        values.update(variables.get(name, "").splitlines())
    return sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)


def _password_of(url: str) -> str:
    _, _, after_scheme = url.rpartition("//")
    userinfo, _, _ = after_scheme.rpartition("@")
    _, _, password = userinfo.partition(":")
    return password


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


class Masker:
    """Masks secrets in output that comes in pieces, also where a secret spans two of them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret.encode("utf-8", "surrogateescape") for secret in secrets]
        self._held_back = b""

    def add(self, output: bytes) -> bytes:
        """Return the output that is masked by now: an end that may begin a secret is held back."""
        if not self._secrets:
            return output
        text = self._held_back + output
        for secret in self._secrets:
            text = text.replace(secret, MASK.encode())
        ready = min(_beginning(text, secret) for secret in self._secrets)
        self._held_back = text[ready:]
        return text[:ready]

    def rest(self) -> bytes:
        """Return the output that was held back, at the end."""
        rest = self._held_back
        self._held_back = b""
        return rest


def _beginning(output: bytes, secret: bytes) -> int:
    """Return the index of the longest end of this output with which the secret begins."""
    at = max(0, len(output) - len(secret) + 1)
    while (at := output.find(secret[:1], at)) >= 0:
        if secret.startswith(output[at:]):
            return at
        at += 1
    return len(output)
