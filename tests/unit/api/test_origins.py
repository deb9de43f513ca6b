"""Which pages may use the API by a browser."""

import pytest

from api.origins import Origins

LISTED = ["https://apphub.example", "http://Apps.Example:80/", "tauri://localhost"]


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:5173",
        "https://LOCALHOST:1",
        "http://127.0.0.1:4000",
        "http://[::1]:3000",
    ],
)
def test_pages_of_this_machine_may_use_an_open_api_alone(origin: str) -> None:
    assert Origins().accept(origin)
    assert not Origins(open_api=False).accept(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://[",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://localhost@evil.example",
        "https://apphub.example.evil.example",
        "http://apphub.example",
        "https://apphub.example:8443",
    ],
)
@pytest.mark.parametrize("open_api", [True, False])
def test_no_others_may(origin: str, *, open_api: bool) -> None:
    assert not Origins(LISTED, open_api=open_api).accept(origin)


@pytest.mark.parametrize(
    "origin", ["https://apphub.example", "http://apps.example", "tauri://localhost"]
)
@pytest.mark.parametrize("open_api", [True, False])
def test_listed_pages_may(origin: str, *, open_api: bool) -> None:
    assert Origins(LISTED, open_api=open_api).accept(origin)


def test_the_api_s_own_pages_may_and_no_others_of_its_kind() -> None:
    origins = Origins(open_api=False)
    assert origins.accept_page("https://jobs.example:4000", "jobs.example:4000")
    assert not origins.accept_page("https://jobs.example:4001", "jobs.example:4000")
    for nowhere in ("null", "http://["):
        assert not origins.accept_page(nowhere, None)


def test_every_page_may_use_an_api_with_tokens_where_the_operator_says_so() -> None:
    origins = Origins(["*"], open_api=False)
    assert origins.any
    assert origins.accept("http://evil.example")
    with pytest.raises(ValueError, match="give --tokens-file"):
        Origins(["*"], open_api=True)


@pytest.mark.parametrize(
    "listed",
    [
        "",
        "apphub.example",
        "https://",
        "https://a.example/path",
        "https://a.example:port",
        "https://*.example",
        "https://user@a.example",
        "null",
    ],
)
def test_what_is_no_origin_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="must be the origin of a page"):
        Origins([listed])
