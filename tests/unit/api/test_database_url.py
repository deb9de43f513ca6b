"""The database's URL as people write it, and what is said of a wrong one: never its password."""

import pytest

from api.bootstrap.database_url import (
    DatabaseUrlError,
    libpq_url,
    url_without_password,
    without_secrets,
)

SECRET = "sec-retpw"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("postgresql+psycopg://u:p@h/db", "postgresql://u:p@h/db"),
        ("postgres+asyncpg://u:p@h/db", "postgresql://u:p@h/db"),
        (" postgresql://u:p@h:5433/db?sslmode=require ", None),
        ("postgres://h/db", None),
        ("host=h dbname=db password='two words'", None),
    ],
)
def test_urls_of_other_programs_are_read(url: str, read: str | None) -> None:
    assert libpq_url(url) == (read or url.strip())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"mysql://u:{SECRET}@h/db", "mysql:// is not PostgreSQL's"),
        (f"postgresql://u:pa/{SECRET}@h/db", "host or port"),
        (f"postgresql://u:pa@{SECRET}@h/db", "host or port"),
        (f"postgresql://u:{SECRET}@h:5x/db", "host or port"),
        (f"postgresql://u:{SECRET}@h/db?nonsense=1", "nonsense"),
        (f"postgresql://u:a%zz{SECRET}@h/db", "cannot be read"),
        (f"host=h password={SECRET} bogus", "cannot be read"),
        (SECRET, "cannot be read"),
    ],
)
def test_a_wrong_url_is_explained_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlError) as refused:
        libpq_url(url)
    message = str(refused.value)
    assert reason in message
    assert "postgresql://USER:PASSWORD@HOST" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@h/db",
        f"postgresql://u@h/db?password={SECRET}",
        f"host=h user=u password='{SECRET}'",
    ],
)
def test_the_password_is_never_shown(url: str) -> None:
    assert SECRET not in url_without_password(url)
    assert "h" in url_without_password(url)
    assert SECRET not in without_secrets(f"no connection by {SECRET}: {url}", url)
