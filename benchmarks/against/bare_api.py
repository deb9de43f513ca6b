"""An endpoint that takes a body and does nothing: the most that this server can do.

python -m benchmarks.against.bare_api
"""

from uuid import uuid4

from fastapi import FastAPI

from benchmarks.against.serving import Body, serve

app = FastAPI()


@app.post("/jobs/noop/run", status_code=202)
async def launch(body: Body) -> dict[str, object]:
    """Answer as if something had been launched."""
    return {"data": {"id": str(uuid4()), "parameters": body.parameters}}


if __name__ == "__main__":
    serve(app)
