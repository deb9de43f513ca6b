"""Pages whose name leads to an open API's address (DNS rebinding) reach nothing."""

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.shared_api import SharedApi, check_failure, job_body
from tests.integration.streams import stream

FOREIGN = ["evil.example", "evil.example:4000", "localhost.evil.example"]


@pytest.mark.parametrize("host", FOREIGN)
def test_requests_under_a_foreign_name_neither_read_nor_write(shared: SharedApi, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    with shared.nothing_written():
        for path in ("/health", "/jobs", "/openapi.json", "/events", "/nowhere"):
            answer = shared.client.get(path, headers=headers)
            check_failure(answer, 421, "host_not_allowed")
        for path in ("/jobs", "/jobs/repository-build/run", "/apps"):
            answer = shared.client.post(path, json=job_body(), headers=headers)
            check_failure(answer, 421, "host_not_allowed")


@pytest.mark.parametrize("host", FOREIGN)
def test_the_stream_is_closed_to_a_foreign_name(shared: SharedApi, host: str) -> None:
    with pytest.raises(InvalidStatus) as refused, stream(shared, headers={"Host": host}):
        pass
    assert refused.value.response.status_code == 403


def test_foreign_pages_are_refused_under_the_api_s_own_name(shared: SharedApi) -> None:
    headers = {"Origin": "http://evil.example"}
    with shared.nothing_written():
        answer = shared.client.post("/jobs", json=job_body(), headers=headers)
        check_failure(answer, 403, "token_insufficient")
    with pytest.raises(InvalidStatus) as refused, stream(shared, headers=headers):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:4000"])
def test_this_machine_s_own_names_are_answered(shared: SharedApi, host: str) -> None:
    for path in ("/health", "/jobs"):
        assert shared.client.get(path, headers={"Host": host}).status_code == 200
