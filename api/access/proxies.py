"""Proxies in front of the API: those whose word is taken on where a client is."""

import ipaddress
from collections.abc import Iterable


def trusted_proxies(given: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses and networks that an operator named, with commas or one by one.

    Raises:
        ValueError: one of them is none.
    """
    proxies = [part.strip() for text in given for part in text.split(",")]
    return tuple(_checked(proxy) for proxy in proxies if proxy)


def _checked(proxy: str) -> str:
    try:
        return str(ipaddress.ip_network(proxy)).removesuffix("/32").removesuffix("/128")
    except ValueError as error:
        raise ValueError(
            f"--trusted-proxy {proxy!r} must be an address or a network,"
            f" such as 10.0.0.5 or 10.0.0.0/24: {error}"
        ) from None
