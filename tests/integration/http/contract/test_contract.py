"""Every row of the contract's table is answered with its status and its whole body.

`python -m tests.integration.http.contract.record` writes the answers anew: look at each that
changed.
"""

from pathlib import Path

import pytest

from tests.integration.http.contract.rows import FILES, Asker, read
from tests.integration.shared_api import shared_api


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_answered_as_it_says(
    database_server: str, shared_dir: Path, tmp_path: Path, name: str
) -> None:
    with shared_api(database_server, shared_dir, tmp_path / "data") as api:
        asker = Asker(api.client)
        for number, row in enumerate(read(name), 1):
            answered = asker.ask(row)
            assert answered == (row["status"], row["answer"]), f"{name}:{number}"


def test_there_are_a_hundred_rows_and_more_and_none_twice() -> None:
    rows = [row for name in FILES for row in read(name)]
    assert len(rows) >= 100
    assert all({"ask", "status", "answer"} <= set(row) for row in rows)
