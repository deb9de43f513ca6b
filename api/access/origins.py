"""Which web pages from elsewhere may use the API by a browser, over HTTP and WebSocket alike."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from api.access.hosts import is_loopback

ANY = "*"
"""Stands for every page there is."""

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?"
)
_USUAL_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The pages that the operator lists, and while the API is open those of this machine.

    Attributes:
        any: whether every page may use it. Browsers are not told to send credentials then.
    """

    def __init__(self, listed: Iterable[str] = (), *, open_api: bool = True) -> None:
        """Take the operator's list.

        Raises:
            ValueError: one of the origins is none; or every page could use an open API.
        """
        known = {_checked(origin) for origin in listed}
        self.any = ANY in known
        if self.any and open_api:
            raise ValueError(
                "--cors-origin * would let every web page that somebody opens use the open API:"
                " name the pages' origins, or give --tokens-file"
            )
        self._listed = frozenset(known)
        self._open_api = open_api

    def accept(self, origin: str) -> bool:
        """Return whether pages of this origin, as browsers send it, may use the API."""
        if self.any or origin in self._listed:
            return True
        return self._open_api and _is_of_this_machine(origin)

    def accept_page(self, origin: str, host: str | None) -> bool:
        """Return whether they may, or came from the API itself, which was called by this name."""
        place = _place_of(origin)
        return self.accept(origin) or (place is not None and place == host)


def _checked(origin: str) -> str:
    plain = origin.strip().lower().removesuffix("/")
    if plain == ANY:
        return ANY
    if not _ORIGIN.fullmatch(plain):
        raise ValueError(
            f"--cors-origin {origin!r} must be the origin of a page,"
            " such as https://apphub.example or http://localhost:5173, or *"
        )
    scheme, _, _ = plain.partition(":")
    # Browsers leave it out.
    return plain.removesuffix(_USUAL_PORTS.get(scheme, ANY))


def _is_of_this_machine(origin: str) -> bool:
    try:
        name = urlsplit(origin).hostname
    except ValueError:  # It is no address: `http://[`.
        return False
    return is_loopback(name or "")


def _place_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
