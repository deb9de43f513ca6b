"""An event's personal data: encrypted, whole when read, bound to its place, gone with its key."""

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SubjectKeysUnavailableError
from eventlog.keys import MasterKey, MasterKeyFile
from eventlog.personal import CIPHERTEXT_MARK, CiphertextError, decrypt, encrypt, encrypted_part

RUN, OTHER_RUN = uuid4(), uuid4()
ONE, TWO = (uuid4(), b"1" * 32), (uuid4(), b"2" * 32)
KEYS = {str(ONE[0]): ONE[1], str(TWO[0]): TWO[1]}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def event(parameters: dict[str, Any], digest: str | None = None, run_id: UUID = RUN) -> StoredEvent:
    state = {"timestamp": "t", "parameters": parameters, "request_digest": digest, "priority": 0}
    return StoredEvent(run_id, 1, "job_run.requested", orjson.dumps(state))


def opened(stored: StoredEvent, keys: dict[str, bytes], run_id: UUID = RUN) -> dict[str, Any]:
    part = encrypted_part(1, stored.state)
    assert part is not None
    assert set(part[1]) <= set(KEYS)
    return dict(orjson.loads(decrypt(run_id, part[0], keys)))


@given(mail=json_values, street=json_values)
def test_values_come_back_as_they_were(mail: Any, street: Any) -> None:
    plain = event({"mail": mail, "street": street, "day": "monday"}, "digest")
    stored = encrypt(plain, {"mail": ONE, "street": TWO})
    assert orjson.loads(stored.state)["parameters"] == {"day": "monday"}
    values = opened(stored, KEYS)
    assert values.pop("personal") == {str(ONE[0]): ["mail"], str(TWO[0]): ["street"]}
    assert values == orjson.loads(plain.state)


def test_nothing_of_a_value_stands_in_the_stored_state() -> None:
    stored = encrypt(event({"mail": "bo@example.org", "day": "monday"}, "f00d"), {"mail": ONE})
    for word in (b"bo@", b"example", b"f00d"):
        assert word not in stored.state
    again = encrypt(event({"mail": "bo@example.org", "day": "monday"}, "f00d"), {"mail": ONE})
    assert again.state != stored.state, "equal values must not be seen to be equal"


def test_a_lost_key_takes_its_values_and_the_digest_and_leaves_the_rest() -> None:
    stored = encrypt(
        event({"mail": 1, "street": 2, "town": 3, "day": 4}, "f00d"),
        {"mail": ONE, "street": TWO, "town": ONE},
    )
    values = opened(stored, {str(TWO[0]): TWO[1]})
    assert values["parameters"] == {"mail": "[erased]", "town": "[erased]", "street": 2, "day": 4}
    assert values["request_digest"] == "[erased]"
    assert values["erased"] == ["mail", "town"]
    assert values["personal"] == {str(ONE[0]): ["mail", "town"], str(TWO[0]): ["street"]}
    assert opened(stored, {})["erased"] == ["mail", "street", "town"]


def test_a_ciphertext_is_bound_to_its_run_and_its_parameter() -> None:
    stored = encrypt(event({"mail": 1, "street": 2}), {"mail": ONE, "street": ONE})
    with pytest.raises(CiphertextError, match="mail"):
        opened(stored, KEYS, OTHER_RUN)
    state = orjson.loads(stored.state)
    values = state["encrypted"]["values"][str(ONE[0])]
    values["mail"], values["street"] = values["street"], values["mail"]
    with pytest.raises(CiphertextError):
        opened(StoredEvent(RUN, 1, "job_run.requested", orjson.dumps(state)), KEYS)
    values["mail"] = "no base64"
    with pytest.raises(CiphertextError):
        opened(StoredEvent(RUN, 1, "job_run.requested", orjson.dumps(state)), KEYS)


def test_a_parameter_that_looks_like_encryption_is_a_parameter() -> None:
    state = event(
        {
            "encrypted": {"values": {}},
            "text": CIPHERTEXT_MARK.decode(),
            "deep": {"encrypted": {"values": {}}},
        }
    ).state
    assert CIPHERTEXT_MARK in state
    assert encrypted_part(1, state) is None
    assert encrypted_part(2, encrypt(event({"mail": 1}), {"mail": ONE}).state) is None


def test_a_master_key_wraps_keys_and_hides_names() -> None:
    one, two = MasterKey(b"a" * 32), MasterKey(b"b" * 32)
    key_id = uuid4()
    wrapped = one.wrap(key_id, ONE[1], "böse")
    assert one.unwrap(key_id, wrapped) == (ONE[1], "böse")
    assert one.lookup("bo") == one.lookup("bo") != one.lookup("bob")
    assert one.lookup("bo") != two.lookup("bo")
    assert one.id != two.id
    assert "61616161" not in repr(one)
    for key, owner in ((two, key_id), (one, uuid4())):
        with pytest.raises(SubjectKeysUnavailableError, match="not what was stored"):
            key.unwrap(owner, wrapped)


def test_a_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "subjects.key"
    assert MasterKeyFile(path).last_read() == ()
    with ThreadPoolExecutor(8) as executor:
        made = set(executor.map(lambda _: MasterKeyFile(path).create().id, range(32)))
    assert len(made) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert MasterKeyFile(path).key(made.pop()).secret.hex() in path.read_text()


def test_a_changed_file_is_read_anew_where_a_key_is_missing(tmp_path: Path) -> None:
    file, other = (
        MasterKeyFile(tmp_path / "subjects.key"),
        MasterKeyFile(tmp_path / "subjects.key"),
    )
    old = file.create()
    assert other.key(old.id) == old
    new = MasterKey(b"n" * 32)
    other.write([new, old])
    assert file.key(old.id) == old
    assert file.key(new.id) == new
    with pytest.raises(
        SubjectKeysUnavailableError,
        match=rf"wrapped by the master key 0{{16}}, but .* has {new.id}",
    ):
        file.key("0" * 16)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "abc\n", "A" * 64, "0" * 63, "0" * 64 + "\nmore\n", "ü" * 64]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "subjects.key"
    path.write_text(text)
    with pytest.raises(SubjectKeysUnavailableError, match=r"subjects\.key|cannot read"):
        MasterKeyFile(path).last_read()


def test_a_file_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "subjects.key"
    MasterKeyFile(path).create()
    assert caplog.records == []
    path.chmod(0o640)
    caplog.set_level(logging.WARNING)
    MasterKeyFile(path).last_read()
    assert "can be read by others" in caplog.text


def test_a_file_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SubjectKeysUnavailableError, match="cannot write the master key"):
        MasterKeyFile(tmp_path / "nowhere" / "subjects.key").create()
