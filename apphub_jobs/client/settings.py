"""Where the service is, and who asks: as given, or by the environment."""

import os

DEFAULT_URL = "http://localhost:4000"

URL_VARIABLE = "APPHUB_URL"
TOKEN_VARIABLE = "APPHUB_TOKEN"  # noqa: S105 - a variable's name


def address(url: str | None) -> str:
    """Return the service's address.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if not found.startswith(("http://", "https://")):
        msg = f"{found!r} is no address of a service: write {DEFAULT_URL} or https://…"
        raise ValueError(msg)
    return found.rstrip("/")


def token_of(token: str | None) -> str | None:
    """Return the token to send, if there is one."""
    return token or os.environ.get(TOKEN_VARIABLE) or None
