"""A job whose runs are unique, with a run that gave way to another one, for a recording."""

from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from tests.support.logs import TESTER, Parts


async def unique(part: Parts) -> None:
    """Launch the same twice."""
    latest: JsonObject = {"key": ["day"], "until": "end", "onConflict": "replace"}
    spec = JobSpec(
        name="Latest report",
        type="batch",
        entry_point="example.latest",
        parameters_schema={"properties": {"day": {}}},
        unique_runs=latest,
    )
    await part.jobs.register_job("latest", spec, None, TESTER)
    for _ in range(2):
        request = Launch(parameters={"day": "monday"}, delay_ms=86_400_000)
        await part.jobs.launch("latest", request, TESTER)
