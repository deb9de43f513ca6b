"""Tokens, hosts, origins and proxies of the API, read from options before anything starts."""

import logging
import os
from pathlib import Path

from api.access import Tokens
from api.origins import Hosts, Origins, check_open, is_loopback, trusted_proxies
from cli.options import ListeningOptions, exit_on_error

logger = logging.getLogger(__name__)

_OPEN_TO_OTHERS = (
    "the API has no tokens and listens on %s: everybody who reaches it may read and write"
    " everything and have images built (--insecure); give --tokens-file"
)


def tokens_in(file: Path | None) -> Tokens | None:
    """Return the tokens in a file, None without one."""
    return None if file is None else exit_on_error(lambda: Tokens(file))


def hosts_of(listening: ListeningOptions, tokens: Tokens | None) -> Hosts | None:
    """Return the host names that the API answers to; None for any, the default with tokens."""
    if tokens is None:
        exit_on_error(lambda: check_open(listening.host, insecure=listening.insecure))
    elif not listening.allowed_host:
        return None
    return exit_on_error(lambda: Hosts(listening.host, listening.allowed_host or ()))


def origins_of(listening: ListeningOptions, tokens: Tokens | None) -> Origins:
    """Return the web pages of other origins that may use the API."""
    listed = listening.cors_origin or ()
    return exit_on_error(lambda: Origins(listed, open_api=tokens is None))


def proxies_of(listening: ListeningOptions) -> tuple[str, ...]:
    """Return the proxies that are trusted to name a client's address."""
    return exit_on_error(lambda: trusted_proxies(listening.trusted_proxy or ()))


def warn_of_former_variable() -> None:
    """Warn an operator who still sets the variable by which proxies were trusted before."""
    if os.environ.get("FORWARDED_ALLOW_IPS"):
        logger.warning(
            "FORWARDED_ALLOW_IPS is not read any more, so no proxy is trusted because of it:"
            " give --trusted-proxy"
        )


def warn_if_open(listening: ListeningOptions, tokens: Tokens | None) -> None:
    """Warn an operator whose API everybody can use."""
    if tokens is None and not is_loopback(listening.host):
        logger.warning(_OPEN_TO_OTHERS, listening.host)
