"""What names a request: its id, in its answer, also where the service failed."""

import httpx
from fastapi import FastAPI

from api.http import errors
from api.http.middleware import RequestIds


async def test_the_answer_to_an_unexpected_failure_has_the_requests_id() -> None:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(RequestIds)

    @app.get("/")
    async def fail() -> None:
        raise RuntimeError("unexpected")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.get("/", headers={"X-Request-Id": "proxy-1:7"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "proxy-1:7")
