"""The file of tokens: what it may say, and who may read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.access import Principal, read_tokens

WRITER = {"principal": "alice", "role": "write"}


def written(directory: Path, content: Any, mode: int = 0o600) -> Path:
    path = directory / "tokens.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_each_token_names_who_holds_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = {"principal": "bob", "role": "read"}
    path = written(tmp_path, {"a b": WRITER, "c": reader})
    assert read_tokens(path) == {
        "a b": Principal("alice", may_write=True),
        "c": Principal("bob", may_write=False),
    }
    assert not caplog.records


TWICE = f'{{"secret": {json.dumps(WRITER)}, "secret": {json.dumps(WRITER)}}}'


@pytest.mark.parametrize(
    "content",
    [
        {"": WRITER},
        {" ": WRITER},
        {"secret ": WRITER},
        {"\tsecret": WRITER},
        {"secret\x00": WRITER},
        {"secret\ud800": WRITER},
        {"secret": {"principal": "a\x00", "role": "write"}},
        {"secret": {"principal": "a\ud800", "role": "write"}},
        {},
        [],
        "nonsense",
        TWICE,
        {"secret": {"principal": "", "role": "write"}},
        {"secret": {"principal": "  ", "role": "write"}},
        {"secret": {"principal": 7, "role": "write"}},
        {"secret": {"principal": "alice", "role": "admin"}},
        {"secret": {"principal": "alice", "role": ["write"]}},
        {"secret": {"principal": "alice"}},
        {"secret": "alice"},
    ],
    ids=str,
)
def test_a_file_that_lets_in_anybody_or_leaves_doubt_is_refused(
    tmp_path: Path, content: Any
) -> None:
    with pytest.raises(ValueError, match=r"tokens\.json") as refused:
        read_tokens(written(tmp_path, content))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    read_tokens(written(tmp_path, {"secret": WRITER}, mode))
    [record] = caplog.records
    assert f"{mode:03o}" in record.getMessage()
    assert "secret" not in record.getMessage()
