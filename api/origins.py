"""Who may reach the API: by which host names, from which web pages, through which proxies.

First the addresses that an open API may listen on (`check_open`) and the names that the API answers
to (`Hosts`); then the web pages that may use it (`Origins`); last the proxies that are trusted to
name a client's address.
"""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

# A web page can reach an open API through a user's browser if the page's own name resolves to the
# API's address (DNS rebinding). Such a request has the page's name as its `Host`, and is refused.

MAX_CACHED_HOSTS = 256
"""`Host` headers whose check is cached."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class OpenApiError(ValueError):
    """An open API may not listen on this address; the message says what to do."""


def check_open(host: str, *, insecure: bool) -> None:
    """Let an API without tokens listen only on addresses that no other machine can reach.

    Args:
        host: the name or address to listen on.
        insecure: whether the operator insists on an address that others can reach.

    Raises:
        OpenApiError: other machines could reach the API.
    """
    if insecure or is_loopback(host):
        return
    raise OpenApiError(
        f"without tokens everybody who reaches {host or 'this machine'} could use the API:"
        " give --tokens-file, or --host 127.0.0.1,"
        " or --insecure if something else keeps others away"
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine itself can be reached by the name or address."""
    address = _address(host)
    if address is None:
        return host.lower().removesuffix(".") == "localhost"
    return address.is_loopback


class Hosts:
    """The names that an API answers to, on any port."""

    def __init__(self, bound: str, allowed: Iterable[str]) -> None:
        """Take the address that the API listens on, and the operator's further names.

        Raises:
            ValueError: one of the names is not a host name or address.
        """
        self._names = frozenset({*map(_checked_host, allowed), bound.lower()})
        address = _address(bound)
        self._any_address = address is not None and address.is_unspecified
        self._cache: dict[str, bool] = {}

    def accept(self, host: str) -> bool:
        """Return whether a request with this header `Host` is meant for the API."""
        is_accepted = self._cache.get(host)
        if is_accepted is not None:
            return is_accepted
        is_accepted = self._accept(host)
        if len(self._cache) < MAX_CACHED_HOSTS:
            self._cache[host] = is_accepted
        return is_accepted

    def _accept(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = _normalized_host(parts[1])
        if name in self._names or is_loopback(name):
            return True
        # No page's name is an address, so there is nothing to rebind.
        return self._any_address and _address(name) is not None


def _checked_host(name: str) -> str:
    host = _normalized_host(name)
    if _address(host) is None and not _NAME.fullmatch(host):
        raise ValueError(
            f"--allowed-host {name!r} must be a host's name or address, without a port"
        )
    return host


def _normalized_host(name: str) -> str:
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _address(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


ANY = "*"
"""The origin that stands for all origins."""

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?"
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The pages that the operator lists, and while the API is open those of this machine.

    Attributes:
        any: whether every page may use the API. Browsers then send no credentials.
    """

    def __init__(self, listed: Iterable[str] = (), *, open_api: bool = True) -> None:
        """Take the operator's list.

        Raises:
            ValueError: an entry is not an origin, or every page could use an open API.
        """
        origins = {_checked_origin(origin) for origin in listed}
        self.any = ANY in origins
        if self.any and open_api:
            raise ValueError(
                "--cors-origin * would let every web page that somebody opens use the open API:"
                " name the pages' origins, or give --tokens-file"
            )
        self._listed = frozenset(origins)
        self._open_api = open_api

    def accept(self, origin: str) -> bool:
        """Return whether pages of this origin, as browsers send it, may use the API."""
        if self.any or origin in self._listed:
            return True
        return self._open_api and _is_of_this_machine(origin)

    def accept_page(self, origin: str, host: str | None) -> bool:
        """Return whether pages of this origin may use the API, or are its own.

        Args:
            origin: the header `Origin`.
            host: the header `Host` of the same request.
        """
        if self.accept(origin):
            return True
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:  # It is no URL: `http://[`.
            return False
        return bool(netloc) and netloc == host


def _checked_origin(origin: str) -> str:
    normalized = origin.strip().lower().removesuffix("/")
    if normalized == ANY:
        return ANY
    if not _ORIGIN.fullmatch(normalized):
        raise ValueError(
            f"--cors-origin {origin!r} must be the origin of a page,"
            " such as https://apphub.example or http://localhost:5173, or *"
        )
    scheme, _, _ = normalized.partition(":")
    # Browsers leave out the scheme's default port.
    return normalized.removesuffix(_DEFAULT_PORTS.get(scheme, ANY))


def _is_of_this_machine(origin: str) -> bool:
    try:
        name = urlsplit(origin).hostname
    except ValueError:  # It is no URL: `http://[`.
        return False
    return is_loopback(name or "")


def trusted_proxies(options: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses and networks of proxies, whose headers name the client's address.

    Args:
        options: values of `--trusted-proxy`, each with one or several, separated by commas.

    Raises:
        ValueError: one of them is not an address or network.
    """
    proxies = [part.strip() for text in options for part in text.split(",")]
    return tuple(_checked_proxy(proxy) for proxy in proxies if proxy)


def _checked_proxy(proxy: str) -> str:
    try:
        return str(ipaddress.ip_network(proxy)).removesuffix("/32").removesuffix("/128")
    except ValueError as error:
        raise ValueError(
            f"--trusted-proxy {proxy!r} must be an address or a network,"
            f" such as 10.0.0.5 or 10.0.0.0/24: {error}"
        ) from None
