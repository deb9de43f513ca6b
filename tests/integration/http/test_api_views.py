"""`/views`: what each call does and answers, now and as of earlier positions."""

from urllib.parse import quote

import pytest

from domain.saved_views import MAX_VIEWS, SavedView, ViewContent
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections import saved_views
from tests.integration.http.test_openapi import Tour
from tests.integration.shared_api import Json, SharedApi, at_once, job_body, unique
from tests.support.in_process import in_process
from tests.support.logs import TESTER, parts
from tests.unit.given import NOON

PUT, DELETE, LIST = "PUT /views/{name}", "DELETE /views/{name}", "GET /views"


@pytest.fixture(scope="module")
def tour(shared: SharedApi) -> Tour:
    return Tour(shared.client, shared.get("/openapi.json"))


def filters_of(views: list[Json]) -> dict[str, list[str]]:
    return {view["name"]: view["filter"] for view in views}


async def test_a_view_is_saved_replaced_deleted_and_its_past_stays(
    shared: SharedApi, tour: Tour
) -> None:
    name = f"{unique()} / Störung: 100 %?"
    at = quote(name, safe="")
    failed: Json = {"filter": ["status=failed", "label.zone=eu"], "sort": "duration"}
    before = shared.head()
    saved = tour.call(PUT, 201, at=at, json=failed)
    assert {key: saved[key] for key in ("name", "filter", "sort", "savedBy", "deletedAt")} == {
        "name": name,
        **failed,
        "savedBy": "anonymous",
        "deletedAt": None,
    }
    with shared.nothing_written():
        assert tour.call(PUT, 200, at=at, json=failed) == saved
    assert saved in tour.call(LIST, 200)
    first = shared.head()
    replaced = tour.call(PUT, 200, at=at, json={"filter": ["job=report"]})
    assert (replaced["sort"], replaced["createdAt"]) == ("created", saved["createdAt"])
    changed = shared.head()
    assert tour.call(DELETE, 200, at=at)["deletedAt"] is not None
    tour.call(DELETE, 404, at=at)
    deleted = shared.head()
    again = tour.call(PUT, 201, at=at, json={"filter": []})
    assert (again["filter"], again["deletedAt"]) == ([], None)

    assert filters_of(tour.call(LIST, 200)).get(name) == []
    past = [(before, None), (first, failed["filter"]), (changed, ["job=report"]), (deleted, None)]
    for position, expected in past:
        views = tour.call(LIST, 200, params={"asOf": position})
        assert filters_of(views).get(name) == expected, position
    assert [saved] == [
        view for view in tour.call(LIST, 200, params={"asOf": first}) if view["name"] == name
    ]
    events = shared.get("/events", subject=f"saved_view:{name}")["data"]
    assert [event["type"].partition(".")[2] for event in events] == [
        "saved",
        "changed",
        "deleted",
        "changed",
    ]
    await check_equal_to_log(shared.database_url)


async def check_equal_to_log(url: str) -> None:
    """Verify the table, and find the same rows by a rebuild."""
    differences: list[Difference] = []
    await verify(Database(url), [saved_views.TABLE], differences.append, lambda *_: None)
    rebuilt = await rebuild(Database(url), saved_views.TABLE, differences.append, lambda *_: None)
    assert (differences, rebuilt.repaired) == ([], 0)


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("x" * 101, {"filter": []}, "has at most 100 characters"),
        ("a%1Bb", {"filter": []}, "holds a control character"),
        ("%20", {"filter": []}, "must not be blank"),
        ("a", {"filter": ["statsu=failed"]}, "did you mean status?"),
        ("a", {"filter": ["status=failed"], "sort": "random"}, "/sort"),
        ("a", {"filter": "status=failed"}, "/filter"),
        ("a", {"filter": ["status!=failed"] * 51}, "must have at most 50 items, not 51"),
        ("a", {"filter": [f"parameters.p{one}={'v' * 990}" for one in range(5)]}, "4000"),
        ("a", {}, "/filter"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    shared: SharedApi, tour: Tour, name: str, body: Json, problem: str
) -> None:
    with shared.nothing_written():
        tour.call(PUT, 400, at=name, json=body)
    answer = shared.client.put(f"/views/{name}", json=body)
    assert problem in answer.text


def test_personal_data_is_not_saved_for_everybody(shared: SharedApi, tour: Tour) -> None:
    who = unique("who").replace("-", "_")
    mail = f"{who}_mail"
    marks = {"properties": {who: {}, mail: {"x-subject": who}}}
    shared.client.post("/jobs", json=job_body(parametersSchema=marks)).raise_for_status()
    for parameter in (who, mail):
        filter_words = ["status=failed", f"parameters.{parameter}!=alice@example.com"]
        with shared.nothing_written():
            tour.call(PUT, 400, at="alice", json={"filter": filter_words})
        answer = shared.client.put("/views/alice", json={"filter": filter_words}).json()
        [issue] = answer["issues"]
        assert (issue["path"], issue["keyword"]) == (f"/filter/parameters.{parameter}", "x-subject")


async def test_there_are_never_more_views_than_a_list_shows(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gone = views_named("gone", 2 * MAX_VIEWS + 1)
    async with parts(database_url) as part:
        now = part.jobs.clock()
        for view in gone:
            view.delete(now)
        await part.jobs.save(*gone, origin=TESTER)
        await part.jobs.save(*views_named("view", MAX_VIEWS - 1), origin=TESTER)
        # Of these, too, something happens after the position that is asked about.
        for view in gone:
            view.change(ViewContent(["job=report"]), "tester", now)
            view.delete(now)
        position = (await part.jobs.save(*gone, origin=TESTER)).positions[0] - 1
    with in_process(database_url, tmp_path_factory.mktemp("data")) as api:
        tour = Tour(api.client, api.client.get("/openapi.json").json())
        past = tour.call(LIST, 200, params={"asOf": position})
        assert past == tour.call(LIST, 200)
        assert len(past) == MAX_VIEWS - 1
        none: Json = {"filter": []}
        answers = at_once(8, lambda number: api.client.put(f"/views/{number} more", json=none))
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
        assert len(tour.call(LIST, 200)) == MAX_VIEWS
        tour.call(PUT, 409, at="one more", json=none)
        tour.call(PUT, 200, at="view 7", json={"filter": ["status=failed"]})
        tour.call(DELETE, 200, at="view 8")
        tour.call(PUT, 201, at="one more", json=none)


def views_named(name: str, count: int) -> list[SavedView]:
    return [
        SavedView.save(f"{name} {number}", ViewContent([]), "tester", NOON)
        for number in range(count)
    ]
