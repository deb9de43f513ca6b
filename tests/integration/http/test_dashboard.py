"""`/` over HTTP: kept by browsers for as long as it is the same, and never longer."""

import re

import httpx
import pytest

from tests.integration.shared_api import SharedApi


@pytest.fixture
def page(shared: SharedApi) -> httpx.Response:
    return shared.client.get("/")


def _files(page: httpx.Response) -> list[str]:
    return re.findall(r"(?:href|src)=\"(dashboard/[^\"]+)\"", page.text)


def test_the_page_is_asked_for_each_time_and_sent_once(
    shared: SharedApi, page: httpx.Response
) -> None:
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    kept = {"If-None-Match": page.headers["ETag"]}
    again = shared.client.get("/", headers=kept)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == page.headers["ETag"]


def test_the_page_says_what_it_may_load(page: httpx.Response) -> None:
    policy = page.headers.get_list("Content-Security-Policy")
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "unsafe" not in policy[0]
    assert page.headers["X-Frame-Options"] == "DENY"


def test_every_file_that_the_page_names_is_there_and_kept_for_ever(
    shared: SharedApi, page: httpx.Response
) -> None:
    files = _files(page)
    assert [path.rpartition("/")[2] for path in files] == [
        "icon.svg",
        "dashboard.css",
        "dashboard.js",
    ]
    for path in files:
        file = shared.client.get(f"/{path}")
        assert file.status_code == 200, path
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        kept = {"If-None-Match": f'W/"other", {file.headers["ETag"]}'}
        assert shared.client.get(f"/{path}", headers=kept).status_code == 304


def test_modules_are_sent_as_such_and_compressed_for_who_wants_that(
    shared: SharedApi, page: httpx.Response
) -> None:
    path = next(path for path in _files(page) if path.endswith("dashboard.js"))
    sizes = {}
    for accepted in ("gzip, br", "identity", "gzip;q=0"):
        headers = {"Accept-Encoding": accepted}
        with shared.client.stream("GET", f"/{path}", headers=headers) as file:
            body = b"".join(file.iter_raw())
            assert file.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert file.headers["Vary"] == "Accept-Encoding"
            is_compressed = file.headers.get("Content-Encoding") == "gzip"
            assert is_compressed == (accepted == "gzip, br")
            sizes[accepted] = len(body)
    assert sizes["gzip, br"] < sizes["identity"] == sizes["gzip;q=0"]


@pytest.mark.parametrize(
    "path", ["nothing.js", "../files.py", "..%2ffiles.py", "index.html", "", "built", "%00"]
)
def test_nothing_but_files_of_the_dashboard_is_served(
    shared: SharedApi, page: httpx.Response, path: str
) -> None:
    build = _files(page)[0].split("/")[1]
    answer = shared.client.get(f"/dashboard/{build}/{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["screens.js", "screens/run.js"])
def test_a_page_of_another_build_is_told_to_load_again(shared: SharedApi, path: str) -> None:
    answer = shared.client.get(f"/dashboard/0123456789abcdef/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "file_not_found"
    assert "load / again" in answer.text
