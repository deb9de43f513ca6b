"""What names a repository when an app is added, and what of it is kept."""

from typing import Any

import pytest

from tests.integration.http.catalog.apps import add, app_body, ingestions
from tests.integration.shared_api import SharedApi, issues_of


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/app",
        "/srv/with space/ünï",
        "file:/srv/git/app",
        "file:///srv/git/app",
        "http://example.com/app.git",
        "git://example.com/app",
        "ssh://git@example.com/app",
        "HTTPS://EXAMPLE.COM/APP",
    ],
)
def test_a_path_or_one_of_five_kinds_of_url_names_a_repository(shared: SharedApi, url: str) -> None:
    assert add(shared, repoUrl=url)["repoUrl"] == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:hidden@example.com:8443/app", "https://example.com:8443/app"),
        ("https://hidden@example.com/app", "https://example.com/app"),
        ("http://:hidden@example.com/app", "http://example.com/app"),
        ("ssh://git:hidden@example.com/app", "ssh://git@example.com/app"),
    ],
)
def test_what_may_be_a_secret_in_a_url_is_never_kept(
    shared: SharedApi, url: str, expected: str
) -> None:
    app = add(shared, repoUrl=url)
    assert app["repoUrl"] == expected
    [run] = ingestions(shared, app["id"])
    kept = shared.rows("SELECT convert_from(state, 'UTF8') AS state FROM jobs_events")
    assert not [row for row in kept if "hidden" in row["state"]]
    assert "hidden" not in str(shared.get(f"/job-runs/{run['id']}/events"))


def test_blanks_around_it_do_not_count(shared: SharedApi) -> None:
    assert add(shared, repoUrl=" https://example.com/a\n")["repoUrl"] == ("https://example.com/a")


def test_nothing_else_names_a_repository(shared: SharedApi) -> None:
    before = shared.count_events()
    wrong: list[Any] = [
        "",
        " ",
        "app",
        "./app",
        "../app",
        "~/app",
        "C:\\app",
        "git@example.com:app.git",
        "example.com/app",
        "ftp://example.com/app",
        "ext::sh -c true",
        "javascript:alert(1)",
        "git+ssh://example.com/app",
        "://x",
        "https:",
        "https://",
        "https:///app",
        "ssh:app",
        "git:app",
        "file:",
        "http://[",
        "--upload-pack=true",
        "ht\ntps://example.com",
        "/srv/\x1b[31m",
        "/srv/a\nb",
        None,
        5,
        ["/srv/app"],
        "/" + "x" * 2_000,
    ]
    for url in wrong:
        answer = shared.client.post("/apps", json=app_body(repoUrl=url))
        assert [issue["path"] for issue in issues_of(answer)] == ["/repoUrl"], url
    assert shared.count_events() == before
