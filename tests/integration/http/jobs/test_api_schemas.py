"""Schemas of parameters: a wrong one is refused when it is given, not at its first use.

Contract, section 2.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.shared_api import Json, SharedApi, issues_of, job_body

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"

NO_SCHEMAS: dict[str, Json] = {
    "unknown type": {"type": "text"},
    "type is a number": {"type": 5},
    "required is a string": {"required": "a"},
    "required names one thing twice": {"required": ["a", "a"]},
    "properties is an array": {"properties": []},
    "a property's schema is a string": {"properties": {"a": "string"}},
    "enum is a string": {"enum": "a"},
    "negative length": {"minLength": -1},
    "multiple of zero": {"multipleOf": 0},
    "pattern is no regex": {"pattern": "("},
    "pattern is too large": {"pattern": "a{99999999999}"},
    "deep pattern": {"pattern": "(?:" * 2_000 + ")" * 2_000},
    "property pattern is no regex": {"patternProperties": {"[": {}}},
    "draft 4: property pattern is no regex": {"$schema": DRAFT_4, "patternProperties": {"[": {}}},
    "draft 7: items is a number": {"$schema": DRAFT_7, "items": 5},
    "deep inside": {"properties": {"a": {"items": {"anyOf": [{"not": {"type": "nope"}}]}}}},
    "unknown dialect": {"$schema": "https://example.com/mine"},
    "dialect is a number": {"$schema": 5},
    "dialect is no URI": {"$schema": "http://["},
    "reference to nothing": {"$ref": "#/$defs/a"},
    "reference to an unknown anchor": {"$ref": "#a"},
    "reference to elsewhere": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
    "reference to a file": {"$ref": "file:///etc/passwd"},
    "reference is no URI": {"$ref": "http://["},
    "reference past the end": {"$ref": "#/allOf/9", "allOf": [{}]},
    "reference to a word in an array": {"$ref": "#/allOf/first", "allOf": [{}]},
    "reference is a number": {"$ref": 5},
    "nested reference to nothing": {"properties": {"a": {"items": {"$ref": "#/nope"}}}},
    "dynamic reference to nothing": {"$dynamicRef": "#nope"},
    "recursive reference to nothing": {"$schema": DRAFT_2019, "$recursiveRef": "#nope"},
    "reference to a string": {"title": "x", "$ref": "#/title"},
    "reference to a type's name": {"type": "object", "$ref": "#/type"},
    "reference to a number": {"x": [5], "dependentSchemas": {"a": {"$ref": "#/x/0"}}},
    "reference to what is no schema": {"x": {"type": "nope"}, "$ref": "#/x"},
    "reference to a pattern that is none": {"x": {"pattern": "("}, "$ref": "#/x"},
    "reference to a reference to nothing": {"x": {"$ref": "#/nope"}, "$ref": "#/x"},
}


@pytest.mark.parametrize("kind", NO_SCHEMAS)
def test_a_schema_that_is_none_is_refused(shared: SharedApi, kind: str) -> None:
    schema = NO_SCHEMAS[kind]
    job = shared.register()
    before = shared.count_events()
    for field in ("parametersSchema", "outputSchema"):
        posted = shared.client.post("/jobs", json=job_body(**{field: schema}))
        patched = shared.client.patch(f"/jobs/{job['slug']}", json={field: schema})
        for answer in (posted, patched):
            assert all(issue["path"].startswith(f"/{field}") for issue in issues_of(answer))
            assert list(answer.json()["error"]["fieldErrors"]) == [field]
    assert shared.count_events() == before


@pytest.mark.parametrize("schema", [[], "object", 5, True, False, "{}"])
def test_a_schema_is_an_object(shared: SharedApi, schema: object) -> None:
    [issue] = issues_of(shared.client.post("/jobs", json=job_body(parametersSchema=schema)))
    assert issue["path"] == "/parametersSchema"


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"a": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/a"}}},
        {
            "$schema": DRAFT_4,
            "definitions": {"a": {"type": "integer"}},
            "properties": {"n": {"$ref": "#/definitions/a"}},
        },
        {"$schema": DRAFT_7, "properties": {"n": {"type": "integer"}}},
        {
            "$schema": DRAFT_2019,
            "$defs": {"a": {"$anchor": "i", "type": "integer"}},
            "properties": {"n": {"$ref": "#i"}},
        },
        {
            "$id": "https://example.com/s",
            "$defs": {"a": {"type": "integer"}},
            "properties": {"n": {"$ref": "s#/$defs/a"}},
        },
        {"x-own": {"a": {"type": "integer"}}, "properties": {"n": {"$ref": "#/x-own/a"}}},
        {"properties": {"n": {"type": "integer"}, "child": {"$ref": "#"}}},
    ],
    ids=[
        "2020-12",
        "draft 4",
        "draft 7",
        "2019-09",
        "with an id",
        "below a word of one's own",
        "recursive",
    ],
)
def test_every_dialect_works_with_references_inside_the_schema(
    shared: SharedApi, schema: Json
) -> None:
    slug = shared.register(parametersSchema=schema)["slug"]
    shared.launch(slug, {"parameters": {"n": 1}})
    [issue] = issues_of(shared.client.post(f"/jobs/{slug}/run", json={"parameters": {"n": "one"}}))
    assert (issue["path"], issue["keyword"]) == ("/parameters/n", "type")


def test_a_schema_that_refers_to_itself_without_end_is_never_a_500(shared: SharedApi) -> None:
    for schema in (
        {"$ref": "#"},
        {"allOf": [{"$ref": "#/allOf/0"}]},
        {"$anchor": "a", "$ref": "#a"},
    ):
        job = job_body(parametersSchema=schema)
        registered = shared.client.post("/jobs", json=job)
        if registered.status_code == 201:
            issues_of(shared.client.post(f"/jobs/{job['slug']}/run"))
        else:
            issues_of(registered)


def test_a_violation_names_its_place_and_rule(shared: SharedApi) -> None:
    schema = {
        "type": "object",
        "required": ["list"],
        "additionalProperties": False,
        "properties": {
            "list": {
                "type": "array",
                "items": {"type": "object", "required": ["x"], "maxProperties": 1},
            }
        },
    }
    slug = shared.register(parametersSchema=schema)["slug"]
    cases: list[tuple[Json, set[tuple[str, str]]]] = [
        ({}, {("/parameters/list", "required")}),
        ({"list": {}}, {("/parameters/list", "type")}),
        ({"list": [{}]}, {("/parameters/list/0/x", "required")}),
        ({"list": [{"x": 1}, 5]}, {("/parameters/list/1", "type")}),
        ({"list": [{"x": 1, "y": 2}]}, {("/parameters/list/0", "maxProperties")}),
    ]
    for parameters, expected in cases:
        issues = issues_of(shared.client.post(f"/jobs/{slug}/run", json={"parameters": parameters}))
        assert {(issue["path"], issue["keyword"]) for issue in issues} == expected
    assert shared.get(f"/jobs/{slug}/runs")["data"] == []


def test_a_thousand_violations_make_a_short_answer(shared: SharedApi) -> None:
    slug = shared.register(parametersSchema={"properties": {"a": {"items": {"type": "string"}}}})[
        "slug"
    ]
    answer = shared.client.post(
        f"/jobs/{slug}/run", json={"parameters": {"a": [["x" * 100] * 20] * 400}}
    )
    assert 0 < len(issues_of(answer)) <= 100
    assert len(answer.content) < 200_000


def test_a_pattern_that_would_never_end_is_refused_while_others_are_answered(
    shared: SharedApi,
) -> None:
    slug = shared.register(parametersSchema={"properties": {"a": {"pattern": "^(a|a)*$"}}})["slug"]
    body = {"parameters": {"a": "a" * 60 + "!"}}
    with ThreadPoolExecutor(4) as others:
        launches = [
            others.submit(shared.client.post, f"/jobs/{slug}/run", json=body) for _ in range(4)
        ]
        while True:
            all_answered = all(launch.done() for launch in launches)
            assert shared.client.get("/health", timeout=90).status_code == 200
            if all_answered:
                break
    for launch in launches:
        [issue] = issues_of(launch.result())
        assert (issue["path"], issue["keyword"]) == ("/parameters/a", "pattern")
        assert "takes too long" in issue["message"]
    assert shared.get(f"/jobs/{slug}/runs")["data"] == []


def test_a_schema_that_doubles_with_each_definition_is_refused(shared: SharedApi) -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    slug = shared.register(
        parametersSchema={"$ref": "#/$defs/d0", "$defs": {**doubling, "d30": {}}}
    )["slug"]
    [issue] = issues_of(shared.client.post(f"/jobs/{slug}/run"))
    assert (issue["path"], issue["keyword"]) == ("/parameters", "maxSteps")
