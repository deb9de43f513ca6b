"""Whether a service runs in a data directory, and is well."""

import json
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from api.cli.daily.doctor.checks import Check
from api.process.announced import services

TIMEOUT_S = 5

NAME = "service"


def service_is_well(directory: Path) -> Check:
    """Ask the API that serves the data directory whether it is ready."""
    found = services(directory)
    if not found:
        told = "none runs in this data directory"
        return Check(NAME, "warning", told, "to start one: apphub-jobs up")
    url = found[0]
    reasons = _reasons_against(url)
    if reasons:
        told = f"{url} is not ready: {'; '.join(reasons)}"
        return Check(NAME, "wrong", told, "docs/operations.md tells of each reason")
    return Check(NAME, "ok", f"{url} is ready")


def _reasons_against(url: str) -> list[str]:
    try:
        with urlopen(f"{url}/ready", timeout=TIMEOUT_S):  # noqa: S310 - the URL is our own
            return []
    except HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            return [f"it answers {error.code}"]
        answer = json.load(error)
        return [str(reason) for reason in answer["reasons"]]
    except (URLError, OSError) as error:
        return [f"it does not answer ({error})"]
