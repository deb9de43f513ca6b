"""Ids: derived ones meet where they must and nowhere else; new ones sort by time."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.repository import repository_id
from domain import identifiers
from domain.identifiers import (
    bulk_id_for_key,
    definition_id,
    event_id,
    only_repeat_id,
    run_id_for_key,
    uuid7,
)

A = UUID(int=1)


def test_derived_ids_are_part_of_the_disk_format() -> None:
    assert str(definition_id("report")) == "923bb5b5-3b6b-500f-ab2c-e3ebd3b92ae4"
    assert str(repository_id("shop")) == "d3e0f58b-cb8c-58d1-b6d5-2733ae6e499c"
    assert str(run_id_for_key("anna", "report", "k1")) == "d0cde311-3c53-5978-a435-7c87c832d141"
    assert str(event_id(A, 1)) == "c6ae59cd-4100-5d14-850d-f8202b722a98"
    assert str(bulk_id_for_key("anna", "k1")) == "f1dd5bc5-7733-5e50-abaf-c8dbe1d2ed1e"
    assert str(only_repeat_id(A)) == "8df2c916-f6b3-5fd9-a37a-68bfb25f1e4b"


def test_slugs_that_differ_in_case_are_one_job() -> None:
    assert definition_id("Nightly-Report_2") == definition_id("nightly-report_2")


def test_slugs_that_differ_otherwise_are_other_jobs() -> None:
    assert len({definition_id(slug) for slug in ("a", "b", "a-", "a_", "aa")}) == 5


def test_apps_that_differ_in_case_are_other_apps() -> None:
    assert repository_id("Shop") != repository_id("shop")


def test_a_key_is_scoped_to_principal_and_slug() -> None:
    ids = {
        run_id_for_key(principal, slug, key)
        for principal in ("anna", "ben")
        for slug in ("x", "y")
        for key in ("1", "2")
    }
    assert len(ids) == 8


def test_a_keys_slug_ignores_case_and_the_key_does_not() -> None:
    assert run_id_for_key("anna", "X", "k") == run_id_for_key("anna", "x", "k")
    assert run_id_for_key("anna", "x", "K") != run_id_for_key("anna", "x", "k")


def test_parts_that_run_into_each_other_stay_apart() -> None:
    assert run_id_for_key("a", "b", "c:d") != run_id_for_key("a:b", "c", "d")
    assert run_id_for_key("a", "b:c", "d") != run_id_for_key("a:b", "c", "d")
    assert run_id_for_key("", "a", ":b") != run_id_for_key(":", "a", "b")


LAST_US = 2**48 * 1000 - 1

RANDOM = st.binary(min_size=8, max_size=8)


@given(st.integers(0, LAST_US), RANDOM)
def test_a_new_id_is_a_version_7_uuid_that_holds_its_time(
    unix_us: int, random_bytes: bytes
) -> None:
    new = uuid7(unix_us, random_bytes)
    assert new.version == 7
    assert new.variant == "specified in RFC 4122"
    assert new.int >> 80 == unix_us // 1000


@given(st.integers(0, LAST_US - 1), RANDOM, RANDOM)
def test_an_id_of_a_later_microsecond_sorts_behind_an_earlier_one(
    unix_us: int, one: bytes, other: bytes
) -> None:
    assert uuid7(unix_us, one) < uuid7(unix_us + 1, other)
    assert str(uuid7(unix_us, one)) < str(uuid7(unix_us + 1, other))


def test_every_random_bit_but_the_marks_is_used() -> None:
    lowest, highest = uuid7(0, b"\x00" * 8), uuid7(0, b"\xff" * 8)
    assert (lowest.int ^ highest.int).bit_count() == 62


def test_ids_of_one_microsecond_differ_by_their_randomness() -> None:
    assert len({uuid7(7, number.to_bytes(8, "big")) for number in range(100)}) == 100


@pytest.mark.parametrize("version", [1, 2, 2**31])
def test_an_events_id_is_its_own(version: int) -> None:
    assert event_id(A, version) != event_id(UUID(int=2), version)
    assert event_id(A, version) != event_id(A, version + 1)


def test_the_root_of_derived_ids_never_changes() -> None:
    assert UUID("6f0a7c52-59a6-5f0c-9b2f-0d9f5a1f8c11") == identifiers._NAMESPACE
