"""Masks secrets in handlers' output and errors: the values that the operator passed to them.

It prevents accidents only: a value that is encoded, cut, or shorter than eight characters is not
masked.
"""

from __future__ import annotations

# Type checkers know the names; importing typing would cost a third of a supervisor's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


MASK = "***"

MIN_SECRET_CHARACTERS = 8
"""Shorter values are not masked, as they occur in many words."""

PROXY_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)


def find_secrets(variables: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return the secrets to mask, the longest first.

    They are the values of the named variables and the passwords in those of proxies. Each line of a
    value is a secret, since logs are written and read by lines.
    """
    values = {_password_of(variables.get(name, "")) for name in PROXY_VARIABLES}
    for name in names:
        values.update(variables.get(name, "").splitlines())
    return sorted(
        (value for value in values if len(value) >= MIN_SECRET_CHARACTERS), key=len, reverse=True
    )


def _password_of(url: str) -> str:
    _, _, after_scheme = url.rpartition("//")
    userinfo, _, _ = after_scheme.rpartition("@")
    _, _, password = userinfo.partition(":")
    return password


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return a text with the secrets masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


class Masker:
    """Masks secrets in output that comes in pieces, also where a secret spans two of them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret.encode("utf-8", "surrogateescape") for secret in secrets]
        self._held_back = b""

    def add(self, output: bytes) -> bytes:
        """Return masked output; its end is held back while that may be the start of a secret."""
        if not self._secrets:
            return output
        text = self._held_back + output
        for secret in self._secrets:
            text = text.replace(secret, MASK.encode())
        ready = min(_find_partial_secret(text, secret) for secret in self._secrets)
        self._held_back = text[ready:]
        return text[:ready]

    def flush(self) -> bytes:
        """Return the output that was held back, at the end of the output."""
        held_back = self._held_back
        self._held_back = b""
        return held_back


def _find_partial_secret(output: bytes, secret: bytes) -> int:
    """Return the index from which on the output is a start of the secret; else its length."""
    index = max(0, len(output) - len(secret) + 1)
    while (index := output.find(secret[:1], index)) >= 0:
        if secret.startswith(output[index:]):
            return index
        index += 1
    return len(output)
