"""Takes secrets out of what handlers print and say: the values that the operator passed to them.

It is a help against accidents, no more: a value that is encoded, cut, or shorter than eight
characters stays.
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

    Each line of a value counts for itself, for logs are written and read by lines.
    """
    found = {_password_of(variables.get(name, "")) for name in PROXIES}
    for name in names:
        found.update(variables.get(name, "").splitlines())
    long_ones = [value for value in found if len(value) >= SHORTEST]
    return sorted(long_ones, key=len, reverse=True)


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
    """Masks secrets in what comes piece by piece, also where a piece ends in the midst of one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret.encode("utf-8", "surrogateescape") for secret in secrets]
        self._held = b""

    def add(self, output: bytes) -> bytes:
        """Return what can be kept by now: all but what may be the beginning of a secret."""
        if not self._secrets:
            return output
        whole = self._held + output
        for secret in self._secrets:
            whole = whole.replace(secret, MASK.encode())
        ready = min(_beginning(whole, secret) for secret in self._secrets)
        self._held = whole[ready:]
        return whole[:ready]

    def rest(self) -> bytes:
        """Return what was held back, once nothing else comes."""
        held = self._held
        self._held = b""
        return held


def _beginning(output: bytes, secret: bytes) -> int:
    """Return where the end of this output begins that the secret begins with, too."""
    at = max(0, len(output) - len(secret) + 1)
    while (at := output.find(secret[:1], at)) >= 0:
        if secret.startswith(output[at:]):
            return at
        at += 1
    return len(output)
