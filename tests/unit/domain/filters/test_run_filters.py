"""The grammar of filters: what each condition comes to, and what is refused, how."""

from typing import Any

import pytest

from domain import filters
from domain.clock import from_iso
from domain.errors import InvalidInputError
from domain.filters import AnyOf, Conditions, End, Label, Parameter, conditions_of

NOON = "2026-11-24T12:00:00.000Z"
ONE = "2026-11-24T13:00:00.000Z"
PRINT = "0123456789abcdef"


def read(*texts: str) -> Conditions:
    return conditions_of(filters.read(texts, "/filter"), "/filter")


def any_of(*values: str) -> AnyOf:
    return AnyOf(included=frozenset(values))


def none_of(*values: str) -> AnyOf:
    return AnyOf(excluded=frozenset(values))


READ: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["status=failed"], {"statuses": ("failed",)}),
    (["status=EXPIRED, failed"], {"statuses": ("failed", "expired")}),
    (["status!=failed,expired,canceled"], {"statuses": ("pending", "running", "succeeded")}),
    (["status=failed,pending", "status!=failed"], {"statuses": ("pending",)}),
    (["status=failed", "status!=failed"], {"statuses": ()}),
    (["job=a,B c"], {"jobs": any_of("a", "B", "c")}),
    (["job!=a", "job!=b"], {"jobs": none_of("a", "b")}),
    (["runtime=docker"], {"runtimes": any_of("docker")}),
    (["search=rep=ort"], {"search": "rep=ort"}),
    (["search!=a", "search!=b"], {"excluded_searches": ("a", "b")}),
    (["actor=anna, schedule:nightly run"], {"actors": any_of("anna", "schedule:nightly run")}),
    (["actor!=anna"], {"actors": none_of("anna")}),
    (["failure=error,signal"], {"failures": any_of("error", "signal")}),
    (["failure!=worker_lost"], {"failures": none_of("worker_lost")}),
    ([f"failureGroup={PRINT},{PRINT[::-1]}"], {"failure_groups": any_of(PRINT, PRINT[::-1])}),
    ([f"failureGroup!={PRINT}"], {"failure_groups": none_of(PRINT)}),
    (["worker=Host-7-a,b"], {"workers": any_of("Host-7-a", "b")}),
    (["worker!=a"], {"workers": none_of("a")}),
    (["retried=true"], {"is_retried": True}),
    (["retried!=true"], {"is_retried": False}),
    (["retried=false", "retried!=true"], {"is_retried": False}),
    (["retried=true", "retried!=true"], {"is_retried": True, "statuses": ()}),
    ([f"createdAfter={NOON}"], {"created_from": from_iso(NOON)}),
    ([f"createdBefore={NOON}"], {"created_before": from_iso(NOON)}),
    ([f"createdAfter!={NOON}"], {"created_before": from_iso(NOON)}),
    ([f"createdBefore!={NOON}"], {"created_from": from_iso(NOON)}),
    ([f"createdAfter={NOON}", f"createdBefore!={ONE}"], {"created_from": from_iso(ONE)}),
    ([f"createdBefore={ONE}", f"createdAfter!={NOON}"], {"created_before": from_iso(NOON)}),
    (
        [f"endedAfter={NOON}", f"endedBefore!={ONE}", f"endedBefore!={NOON}"],
        {
            "ends": (
                End("endedAfter", from_iso(NOON), False),
                End("endedBefore", from_iso(ONE), True),
                End("endedBefore", from_iso(NOON), True),
            )
        },
    ),
    (
        ["minDurationMs=0", "maxDurationMs!=90000", "error=No = Route"],
        {
            "ends": (
                End("minDurationMs", 0, False),
                End("maxDurationMs", 90_000, True),
                End("error", "No = Route", False),
            )
        },
    ),
    (
        ["label.zone=eu, us", "label.gpu!=a100"],
        {
            "labels": (
                Label("zone", frozenset({"eu", "us"}), False),
                Label("gpu", frozenset({"a100"}), True),
            )
        },
    ),
    (["parameters.region=eu"], {"parameters": (Parameter("region", ("eu",), False),)}),
    (["parameters.n!=5"], {"parameters": (Parameter("n", ("5", 5), True),)}),
    (["parameters.a.b=null"], {"parameters": (Parameter("a.b", ("null", None), False),)}),
    (["parameters.n=1e999"], {"parameters": (Parameter("n", ("1e999",), False),)}),
    (["parameters.t="], {"parameters": (Parameter("t", ("",), False),)}),
    # What is empty restricts nothing, as ever in queries.
    (["status=", "job=", "search=", "actor=,", "failure=", "label.zone=", "error="], {}),
]


IDS = [str(texts)[:60] for texts, _ in READ]


@pytest.mark.parametrize(("texts", "expected"), READ, ids=IDS)
def test_conditions_come_to(texts: list[str], expected: dict[str, Any]) -> None:
    assert read(*texts) == Conditions(**expected)


@pytest.mark.parametrize(("texts", "expected"), READ, ids=IDS)
def test_a_query_says_the_same(texts: list[str], expected: dict[str, Any]) -> None:
    pairs = [text.partition("=") for text in texts]
    words = [filters.named(name, value) for name, _, value in pairs]
    assert conditions_of(words) == Conditions(**expected)
    assert [str(word) for word in words] == texts


@pytest.mark.parametrize(
    ("texts", "path", "keyword", "message"),
    [
        (["failed"], "/filter/0", "pattern", "write NAME=VALUE"),
        (["status=failed", "=x"], "/filter/1", "pattern", "write NAME=VALUE"),
        (["!=x"], "/filter/0", "pattern", "write NAME=VALUE"),
        (["stauts=failed"], "/filter/stauts", "enum", "did you mean status?"),
        (["colour=red"], "/filter/colour", "enum", "there are status, job, "),
        (["a/b=red"], "/filter/a~1b", "enum", "there are status, job, "),
        (["parameter.n=1"], "/filter/parameter.n", "enum", "parameters.NAME?"),
        (["label.=eu"], "/filter/label.", "pattern", "label.zone"),
        (["label.a b=eu"], "/filter/label.a b", "pattern", "label.zone"),
        (["label.a=1", "label.a=2"], "/filter/label.a", "uniqueItems", "commas"),
        (["parameters.=1"], "/filter/parameters.", "pattern", "parameters.region"),
        (["status=done"], "/filter/status", "enum", "there are pending, running"),
        (["failure=bad"], "/filter/failure", "enum", "there are error, "),
        (["failureGroup=boom"], "/filter/failureGroup", "pattern", "no fingerprint"),
        (["retried=maybe"], "/filter/retried", "enum", "true or false"),
        (["runtime=java"], "/filter/runtime", "enum", "there are python"),
        (["endedAfter=noon"], "/filter/endedAfter", "format", "with an offset"),
        (["minDurationMs=90s"], "/filter/minDurationMs", "pattern", "milliseconds"),
        (["maxDurationMs=-1"], "/filter/maxDurationMs", "pattern", "milliseconds"),
        (["maxDurationMs=²"], "/filter/maxDurationMs", "pattern", "such as"),
        (["minDurationMs=" + "9" * 16], "/filter/minDurationMs", "pattern", "such as"),
        (["error=" + "x" * 201], "/filter/error", "maxLength", "200 characters"),
        (["error=a", "error=b"], "/filter/error", "uniqueItems", "give it once"),
        (["createdAfter=noon"], "/filter/createdAfter", "format", "with an offset"),
        (["createdAfter=2026-11-24T12:00"], "/filter/createdAfter", "format", "offset"),
        (["status=failed", "status=expired"], "/filter/status", "uniqueItems", "commas"),
        (["parameters.a=1", "parameters.a=2"], "/filter/parameters.a", "uniqueItems", "once"),
        (["search=" + "x" * 201], "/filter/search", "maxLength", "at most 200"),
        (["job=" + "x" * 1_001], "/filter/job", "maxLength", "at most 1000"),
        (["actor=a\x00b"], "/filter/actor", "pattern", "NUL"),
        (["actor=\ud800"], "/filter/actor", "pattern", "surrogate"),
        (["status!=failed"] * 51, "/filter", "maxItems", "at most 50"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(
    texts: list[str], path: str, keyword: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read(*texts)
    [issue] = refused.value.issues
    assert (issue.path, issue.keyword) == (path, keyword)
    assert message in issue.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as refused:
        read("status=done", "job=fine", "colour=red")
    paths = [issue.path for issue in refused.value.issues]
    assert paths == ["/filter/status", "/filter/colour"]


def test_conditions_can_be_narrowed_to_statuses() -> None:
    assert read("status=failed,pending").only(["pending", "running"]).statuses == ("pending",)
    assert read("job=a").only(["pending"]).statuses == ("pending",)
    assert read("status=failed").only(["pending"]).statuses == ()
