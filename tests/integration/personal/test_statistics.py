"""The planner's statistics hold nothing of what a run was given or has said."""

import psycopg
import pytest

from migrations import runner
from tests.support.logs import Parts, query
from tests.support.sample_logs.personal import SECRETS
from tests.support.sample_logs.shops import Shop

SAMPLED = """
    SELECT tablename, attname FROM pg_stats
    WHERE most_common_vals::text ~ %(words)s OR histogram_bounds::text ~ %(words)s
"""

RELFILENODE = "SELECT pg_relation_filenode('job_runs')"


def _sampled(url: str) -> list[object]:
    """Return the columns in whose statistics personal values stand, after an ANALYZE."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        values = {"words": "|".join(SECRETS)}
        return list(connection.execute(SAMPLED, values).fetchall())


async def test_no_value_of_a_run_gets_into_the_statistics(shop: Shop, part: Parts) -> None:
    for _ in range(50):
        await shop.ended(part)
    assert _sampled(shop.url) == []


@pytest.mark.spoils_its_log
async def test_what_had_been_sampled_is_gone_after_the_migration(shop: Shop, part: Parts) -> None:
    for _ in range(50):
        await shop.ended(part)
    runner.downgrade(shop.url, "0036")
    assert ("job_runs", "parameters") in _sampled(shop.url)
    before = query(shop.url, RELFILENODE)
    runner.upgrade(shop.url)
    assert _sampled(shop.url) == []
    assert query(shop.url, RELFILENODE) == before, "no table was written anew"


async def test_a_view_of_somebodys_own_does_not_stop_the_migration(shop: Shop) -> None:
    runner.downgrade(shop.url, "0036")
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute("CREATE VIEW theirs AS SELECT parameters FROM job_runs")
        runner.upgrade(shop.url)
        connection.execute("DROP VIEW theirs")
