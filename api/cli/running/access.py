"""Who may call the API, and by which names, found out before anything starts."""

import logging
from pathlib import Path

from api.access.hosts import Hosts, check_open, is_loopback
from api.access.origins import Origins
from api.access.tokens import Tokens
from api.cli.options import ListeningOptions, read

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


def warn_if_open(listening: ListeningOptions, tokens: Tokens | None) -> None:
    """Tell an operator who insists on an API that everybody can use."""
    if tokens is None and not is_loopback(listening.host):
        logger.warning(_OPEN_TO_OTHERS, listening.host)
