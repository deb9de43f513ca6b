"""Definitions that are kept in memory for launches take no more of it than they may."""

from domain.jobs.launching import Launch
from tests.support.logs import TESTER, Parts, registered

BIG = {"description": "x" * 900_000}


async def test_big_definitions_make_room_for_each_other(part: Parts) -> None:
    slugs = [f"big-{number}" for number in range(8)]
    for slug in slugs:
        await registered(part.jobs, slug, parameters_schema=BIG)
    small = await registered(part.jobs, "small")
    for slug in (*slugs, small, *slugs, small):
        launched = await part.jobs.launch(slug, Launch(), TESTER)
        assert launched.row is not None
    assert len(part.jobs._definitions) == 5
