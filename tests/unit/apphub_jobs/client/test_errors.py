"""Failures by the service's codes, in its own words; and which requests are sent again."""

import ssl
from math import inf
from urllib.parse import unquote

import httpx
import pytest

from apphub_jobs.client.errors import (
    AccessError,
    ApiError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    TooManyRequestsError,
    UnavailableError,
    UnreachableError,
    api_error,
)
from apphub_jobs.client.http import (
    MAX_BACK_OFF_S,
    MAX_OVERRUN_S,
    SILENCE_S,
    certificate_check,
    parse_answer,
    retry_delay_s,
)
from apphub_jobs.client.http import silence_s as max_silence_s
from apphub_jobs.client.requests import schedules, views
from apphub_jobs.client.requests.jobs import register, revise
from apphub_jobs.client.requests.request import LaunchOptions, Request, get
from apphub_jobs.client.requests.runs import cancel
from apphub_jobs.client.requests.schedules import create

LAUNCH = LaunchOptions().request("greet", {})
REGISTER = register({"slug": "greet"})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "validation_failed", InvalidRequestError),
        (401, "token_missing", AccessError),
        (403, "token_insufficient", AccessError),
        (404, "job_not_found", NotFoundError),
        (409, "slug_taken", ConflictError),
        (429, "too_many_requests", TooManyRequestsError),
        (503, "log_unavailable", UnavailableError),
        (503, "outcome_unknown", OutcomeUnknownError),
        (500, "internal_error", ApiError),
    ],
)
def test_a_failure_is_an_error_by_its_code(status: int, code: str, kind: type[ApiError]) -> None:
    error = api_error(status, {"error": "in its own words", "code": code})
    assert type(error) is kind
    assert (error.status, error.code) == (status, code)
    assert str(error) == "in its own words"


def test_broken_rules_are_told_one_by_one() -> None:
    issues = [
        {"path": "/parameters/a", "message": "must be a string", "keyword": "type"},
        {"path": "/b", "message": "unknown field 'b'", "keyword": "x"},
    ]
    error = api_error(400, {"error": {}, "code": "validation_failed", "issues": issues})
    assert str(error) == "/parameters/a: must be a string; /b: unknown field 'b'"
    assert error.issues == issues


@pytest.mark.parametrize("issues", [5, None, ["x"], [{"pointer": "/a", "message": "wrong"}]])
def test_issues_of_another_form_are_left_out(issues: object) -> None:
    error = api_error(400, {"error": "why", "code": "invalid", "issues": issues})
    assert (type(error), str(error)) == (InvalidRequestError, "why")


@pytest.mark.parametrize("body", [None, "<html>", {"detail": "nothing of ours"}])
def test_who_else_answers_is_told_apart(body: object) -> None:
    error = api_error(502, body)
    assert error.code == "not_apphub_jobs"
    assert str(error).startswith("HTTP 502, but no answer of AppHub Jobs")


@pytest.mark.parametrize(
    "body",
    [
        *("[]", "[" * 100_000, '"x"', "null", "{}"),
        *('{"data": null}', '{"data": "x"}', '{"data": [1]}'),
    ],
)
def test_a_success_of_somebody_else_is_told_apart(body: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_answer(httpx.Response(200, text=body))["data"]
    assert raised.value.code == "not_apphub_jobs"


NOT_SENT = UnreachableError("", was_sent=False)
LOST = UnreachableError("", was_sent=True)


@pytest.mark.parametrize("request_", [get("/jobs"), LAUNCH, cancel("r", None), revise("greet", {})])
@pytest.mark.parametrize(
    "error",
    [
        NOT_SENT,
        LOST,
        api_error(503, {"code": "outcome_unknown"}),
        api_error(503, {"code": "log_unavailable"}),
        api_error(429, {"code": "too_many_requests"}),
        api_error(502, "a proxy's page"),
    ],
)
def test_what_can_be_repeated_is_sent_again(
    request_: Request, error: ApiError | UnreachableError
) -> None:
    assert retry_delay_s(request_, error, 1, 30) is not None


@pytest.mark.parametrize("request_", [REGISTER, create({"id": "nightly"})])
def test_what_cannot_is_sent_again_only_where_nothing_was_done(request_: Request) -> None:
    for error in (NOT_SENT, api_error(503, {"code": "log_unavailable"})):
        assert retry_delay_s(request_, error, 1, 30) is not None
    for unsure in (
        LOST,
        api_error(503, {"code": "outcome_unknown"}),
        api_error(504, "a proxy's page"),
    ):
        assert retry_delay_s(request_, unsure, 1, 30) is None


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 500])
def test_what_stays_wrong_is_not_sent_again(status: int) -> None:
    assert retry_delay_s(LAUNCH, api_error(status, {"code": "any"}), 1, 30) is None


def test_retry_delays_grow_to_a_limit_heed_retry_after_and_end_in_time() -> None:
    delays = [retry_delay_s(LAUNCH, NOT_SENT, attempt, 30) for attempt in (1, 4, 7, 60)]
    bounds = [(0.05, 0.1), (0.4, 0.8), (2.5, MAX_BACK_OFF_S), (2.5, MAX_BACK_OFF_S)]
    for delay, (least, most) in zip(delays, bounds, strict=True):
        assert delay is not None
        assert least <= delay <= most
    busy = api_error(429, {"code": "too_many_requests"})
    busy.retry_after_s = 9
    assert retry_delay_s(LAUNCH, busy, 1, 30) == 9
    assert retry_delay_s(LAUNCH, busy, 1, 8) is None


def test_each_launch_has_a_key_of_its_own_unless_one_is_given() -> None:
    keys = {LaunchOptions().request("greet", {}).headers["Idempotency-Key"] for _ in range(9)}
    assert len(keys) == 9
    options = LaunchOptions(idempotency_key="mine", delay="5m", max_attempts=2, traceparent="00-…")
    request = options.request("a/b", {"n": 1})
    assert request.headers == {"Idempotency-Key": "mine", "traceparent": "00-…"}
    assert request.path == "/jobs/a%2Fb/run"
    assert request.body == {"parameters": {"n": 1}, "delayMs": 300_000, "maxAttempts": 2}


@pytest.mark.parametrize("name", [".", "..", "../jobs", "a/b", "%2e"])
def test_a_name_that_is_a_step_in_addresses_stays_a_name(name: str) -> None:
    with httpx.Client(base_url="http://localhost:4000") as client:
        for kind, request in (
            ("schedules", schedules.show(name)),
            ("job-runs", cancel(name, None)),
            ("views", views.delete(name)),
        ):
            path = client.build_request(request.method, request.path).url.raw_path.decode()
            assert [unquote(part) for part in path.split("/")[1:3]] == [kind, name]


def test_no_certificate_goes_unchecked() -> None:
    assert certificate_check("HTTPS://jobs.example") is True
    without_tls = certificate_check("http://localhost:4000")
    assert isinstance(without_tls, ssl.SSLContext)
    assert (without_tls.verify_mode, without_tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert without_tls.get_ca_certs() == []


def test_an_answer_that_is_no_json_is_somebody_elses() -> None:
    page = httpx.Response(200, text="<html>a proxy's page</html>")
    with pytest.raises(ApiError, match="is the address right"):
        parse_answer(page)


@pytest.mark.parametrize(
    ("remaining_s", "silence_s"),
    [
        (inf, SILENCE_S),
        (2 * SILENCE_S, SILENCE_S),
        (30.0, 15.0),
        (0.2, MAX_OVERRUN_S),
        (-0.1, MAX_OVERRUN_S),
    ],
)
def test_a_wait_that_is_nearly_over_bears_less_silence(
    remaining_s: float, silence_s: float
) -> None:
    assert max_silence_s(remaining_s) == silence_s
