"""Saved views: which are refused, and what clients see after each event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInputError, NotFoundError
from domain.json_values import JsonObject
from domain.saved_views import MAX_FILTER, MAX_NAME, SavedView, ViewContent, check_name
from projections import messages as feed
from projections import saved_views
from projections.saved_views import SavedViewRow
from tests.unit.given import NOON, at, iso, stored
from tests.unit.projections.both import Both, Command, check

FAILED = ViewContent(["job=report", "status=failed"], "duration")

SAVED: JsonObject = {
    "name": "Failed reports",
    "filter": ["job=report", "status=failed"],
    "sort": "duration",
    "savedBy": "anna",
    "deletedAt": None,
    "createdAt": iso(0),
    "updatedAt": iso(0),
}


def saved() -> SavedView:
    return SavedView.save("Failed reports", FAILED, "anna", NOON)


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("", "minLength"),
        (" \u00a0", "minLength"),
        ("n" * (MAX_NAME + 1), "maxLength"),
        ("a\nb", "pattern"),
        ("a\x00", "pattern"),
        ("a\x9b2J", "pattern"),
        ("a\ud800", "pattern"),
        (" a", "pattern"),
        ("..", "not"),
    ],
)
def test_a_name_is_refused_by_a_rule(name: str, keyword: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_name(name)
    assert [(one.path, one.keyword) for one in refused.value.issues] == [("/name", keyword)]


@pytest.mark.parametrize("name", ["a", "n" * MAX_NAME, "Eu / failed: ü ☃", "\u202eright to left"])
def test_any_other_name_is_accepted(name: str) -> None:
    check_name(name)


def of_length(characters: int) -> list[str]:
    """Return conditions that have this many characters, blanks between them included."""
    long = [f"parameters.p{number}={'v' * 960}" for number in range(4)]
    rest = characters - len(" ".join(long)) - len(" search=")
    return [*long, f"search={'s' * rest}"]


@pytest.mark.parametrize(
    ("content", "path", "keyword"),
    [
        (["failed"], "/filter/0", "pattern"),
        (["colour=red"], "/filter/colour", "enum"),
        (["status=failed", "status=running"], "/filter/status", "uniqueItems"),
        (of_length(MAX_FILTER + 1), "/filter", "maxLength"),
    ],
)
def test_a_filter_is_refused_by_a_rule(content: list[str], path: str, keyword: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        ViewContent(content).check()
    assert [(one.path, one.keyword) for one in refused.value.issues] == [(path, keyword)]


def test_a_filter_names_the_parameters_whose_values_it_holds() -> None:
    assert ViewContent([]).check() == []
    assert ViewContent(of_length(MAX_FILTER)).check() == ["p0", "p1", "p2", "p3"]


def changes_of(view: SavedView) -> list[JsonObject]:
    """Return the view as clients see it after each event."""
    row: SavedViewRow | None = None
    seen = []
    for event in stored(view):
        after = saved_views.TABLE.fold(row, event)
        [message] = feed.messages(event, row, after)
        assert (message.type, message.data) == (
            "view.updated",
            {"view": saved_views.present(after)},
        )
        seen.append(saved_views.present(after))
        row = after
    return seen


def test_it_is_changed_deleted_and_saved_again() -> None:
    view = saved()
    view.change(FAILED, "ben", at(5))
    view.change(ViewContent(["job=report"]), "ben", at(10))
    view.delete(at(20))
    with pytest.raises(NotFoundError):
        view.delete(at(25))
    view.change(ViewContent(["job=report"]), "cleo", at(30))
    other: JsonObject = {**SAVED, "filter": ["job=report"], "sort": "created", "savedBy": "ben"}
    assert changes_of(view) == [
        SAVED,
        {**other, "updatedAt": iso(10)},
        {**other, "updatedAt": iso(20), "deletedAt": iso(20)},
        {**other, "updatedAt": iso(30), "savedBy": "cleo"},
    ]


COMMANDS: st.SearchStrategy[Command] = st.sampled_from(
    [
        lambda view, now: view.change(FAILED, "ben", now),
        lambda view, now: view.change(ViewContent([]), "ben", now),
        lambda view, now: view.delete(now),
    ]
)


@given(commands=st.lists(COMMANDS, max_size=6))
def test_a_view_decides_by_its_row_as_by_its_history(commands: list[Command]) -> None:
    check(Both(saved()), saved_views.TABLE, commands)
