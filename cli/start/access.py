"""Who may call the API, and by which names, found out before anything starts."""

import logging
import os
from pathlib import Path

from api.access import Hosts, Origins, Tokens, check_open, is_loopback, trusted_proxies
from cli.options import ListeningOptions, read

logger = logging.getLogger(__name__)

_OPEN_TO_OTHERS = (
    "the API has no tokens and listens on %s: everybody who reaches it may read and write"
    " everything and have images built (--insecure); give --tokens-file"
)


def tokens_in(file: Path | None) -> Tokens | None:
    """Return whose tokens the API takes, None where it takes none."""
    if file is None:
        return None
    return read(lambda: Tokens(file))


def hosts_of(listening: ListeningOptions, tokens: Tokens | None) -> Hosts | None:
    """Return by which names the API may be called; who has a token may use any, unless told."""
    if tokens is None:
        read(lambda: check_open(listening.host, insecure=listening.insecure))
    elif not listening.allowed_host:
        return None
    return read(lambda: Hosts(listening.host, listening.allowed_host or ()))


def origins_of(listening: ListeningOptions, tokens: Tokens | None) -> Origins:
    """Return which pages from elsewhere may use the API."""
    listed = listening.cors_origin or ()
    return read(lambda: Origins(listed, open_api=tokens is None))


def proxies_of(listening: ListeningOptions) -> tuple[str, ...]:
    """Return the proxies whose word is taken on where a client is."""
    return read(lambda: trusted_proxies(listening.trusted_proxy or ()))


def warn_of_former_variable() -> None:
    """Tell an operator whose proxy was believed because of a variable that it no longer is."""
    if os.environ.get("FORWARDED_ALLOW_IPS"):
        logger.warning(
            "FORWARDED_ALLOW_IPS is not read any more, so no proxy is believed because of it:"
            " give --trusted-proxy"
        )


def warn_if_open(listening: ListeningOptions, tokens: Tokens | None) -> None:
    """Tell an operator who insists on an API that everybody can use."""
    if tokens is None and not is_loopback(listening.host):
        logger.warning(_OPEN_TO_OTHERS, listening.host)
