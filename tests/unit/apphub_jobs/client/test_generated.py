"""The synchronous client is generated from the asynchronous one."""

import inspect

import pytest

from apphub_jobs import AsyncClient, AsyncRun, Client, Run
from docs.generate_client import SYNCHRONOUS, generate


def test_the_synchronous_client_is_current() -> None:
    remedy = "run python docs/generate_client.py"
    assert SYNCHRONOUS.read_text() == generate(), remedy


@pytest.mark.parametrize(("one", "other"), [(AsyncClient, Client), (AsyncRun, Run)])
def test_both_have_the_same_methods(one: type, other: type) -> None:
    assert _methods(one) == _methods(other)
    assert len(_methods(one)) > 5


def _methods(of: type) -> dict[str, list[str]]:
    """Return the parameters of each public method."""
    return {
        {"aclose": "close"}.get(name, name): list(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(of, inspect.isfunction)
        if not name.startswith("_")
    }
