"""`GET /metrics` tells just what its page in the docs says, whatever there is to be told."""

import asyncio
import json
import platform
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from apphub_jobs.version import VERSION
from domain.jobs.run_events import Report
from eventlog.history import run_changes
from tests import ROOT
from tests.integration.streams import stream
from tests.support.in_process import in_process
from tests.support.logs import Parts, registered
from tests.support.processes import eventually, started

PAGE = ROOT / "docs" / "reference" / "metrics.md"

ROW = re.compile(r"\| `(?P<name>\w+)` \|(?P<labels>[^|]*)\| (?P<kind>\w+) \| (?P<where>[^|]*) \|")

INNER = {"le"}
"""The label by which a histogram tells its buckets apart."""

PATIENCE_S = 90.0

Samples = set[tuple[str, str, frozenset[str]]]


def documented(where: str) -> Samples:
    """Return each metric's name, kind and labels, as the page has them."""
    rows = ROW.finditer(PAGE.read_text())
    return {
        (one["name"], one["kind"], frozenset(re.findall(r"`(\w+)`", one["labels"])))
        for one in rows
        if where in one["where"].split(", ")
    }


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def samples_of(samples: Iterable[Metric]) -> Samples:
    """Return the same of an answer."""
    return {(_name(one), one.type, frozenset(one.samples[0].labels) - INNER) for one in samples}


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def scraped(client: httpx.Client) -> list[Metric]:
    answer = client.get("/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return families(answer.text)


def value(client: httpx.Client, name: str, **labels: str) -> float:
    """Return a sample's value."""
    samples = [sample for one in scraped(client) for sample in one.samples]
    [match] = [one for one in samples if (one.name, one.labels) == (name, labels)]
    return float(match.value)


def of_job(slug: str) -> dict[str, str]:
    """Return the labels of a job."""
    return {"job": slug, "definition": slug}


def test_all_that_the_page_names_is_there_without_any_worker_or_run_and_nothing_else(
    client: httpx.Client,
) -> None:
    assert documented("API")
    assert samples_of(scraped(client)) == documented("API")
    for state in ("pending", "running", "succeeded", "failed", "canceled", "expired"):
        for slug in ("repository-build", "repository-ingest"):
            assert value(client, "apphub_runs", **of_job(slug), state=state) == 0
    for slug in ("repository-build", "_others"):
        assert value(client, "apphub_runs_created_total", **of_job(slug)) == 0
        assert value(client, "apphub_runs_finished_total", **of_job(slug), state="failed") == 0
        for histogram in ("apphub_run_queue_seconds", "apphub_run_duration_seconds"):
            assert value(client, f"{histogram}_bucket", **of_job(slug), le="+Inf") == 0
    assert value(client, "apphub_oldest_pending_seconds", **of_job("repository-build")) == 0
    assert value(client, "apphub_reader_lag_events") == 0
    for follower in ("stream", "ticker", "archiver"):
        assert value(client, "apphub_follower_lag_events", follower=follower) == 0
    for follower in ("statistics", "grouper", "sealer"):
        lag = partial(value, client, "apphub_follower_lag_seconds", follower=follower)
        eventually(lambda lag=lag: lag() == 0, what=f"{follower} to catch up")
    assert value(client, "apphub_worker_slots", state="busy") == 0
    assert value(client, "apphub_schedule_delay_seconds") == 0
    version = {"version": VERSION, "python": platform.python_version()}
    assert value(client, "apphub_build_info", **version) == 1
    assert value(client, "apphub_ws_dropped_total", reason="too_slow") == 0
    head = client.get("/events", params={"limit": 1000}).json()["data"][-1]["position"]
    assert value(client, "apphub_log_head") == head


def test_runs_and_what_waits_are_counted(client: httpx.Client) -> None:
    job = {"slug": "one", "name": "One", "type": "batch", "entryPoint": "none"}
    client.post("/jobs", json=job).raise_for_status()
    client.post("/jobs/one/run", json={"delayMs": 3_600_000}).raise_for_status()
    assert value(client, "apphub_oldest_pending_seconds", **of_job("one")) == 0
    launched = client.post("/jobs/one/run", json={}).raise_for_status().json()["data"]
    eventually(lambda: value(client, "apphub_oldest_pending_seconds", **of_job("one")) > 0)
    # The other one is planned for later.
    assert value(client, "apphub_runs_due", entry_point="none") == 1
    assert value(client, "apphub_runs_due", entry_point="_others") == 0
    assert value(client, "apphub_runs", **of_job("one"), state="pending") == 2
    client.post(f"/job-runs/{launched['id']}/cancel").raise_for_status()
    assert value(client, "apphub_runs", **of_job("one"), state="pending") == 1
    assert value(client, "apphub_runs", **of_job("one"), state="canceled") == 1
    finished = partial(
        value, client, "apphub_runs_finished_total", **of_job("one"), state="canceled"
    )
    eventually(lambda: finished() == 1)
    assert value(client, "apphub_runs_created_total", **of_job("one")) == 2
    # It never started.
    assert value(client, "apphub_run_queue_seconds_count", **of_job("one")) == 0
    assert value(client, "apphub_append_seconds_count") >= 3
    assert value(client, "apphub_lock_hold_seconds_count") >= 3
    assert 0 < value(client, "apphub_lock_hold_seconds_sum") < 30
    labels = {
        text for one in scraped(client) for sample in one.samples for text in sample.labels.values()
    }
    assert launched["id"] not in labels


async def test_jobs_beyond_the_first_are_told_together(
    part: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(4):
        await registered(part.jobs, f"job-{number}")
    monkeypatch.setattr(run_changes, "MAX_JOBS", 3)
    with in_process(part.url, tmp_path) as api:
        for number in range(4):
            api.client.post(f"/jobs/job-{number}/run", json={}).raise_for_status()
        [runs] = [one for one in scraped(api.client) if one.name == "apphub_runs"]
        await part.worker("w")
        for claim in await part.executions.claim("w", 4):
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        for slug in ("job-0", "_others"):
            finished = partial(
                value, api.client, "apphub_runs_finished_total", **of_job(slug), state="succeeded"
            )
            eventually(lambda finished=finished: finished() == 1)
            for name in ("apphub_run_queue_seconds", "apphub_run_duration_seconds"):
                assert value(api.client, f"{name}_count", **of_job(slug)) == 1
                assert value(api.client, f"{name}_bucket", **of_job(slug), le="3600.0") == 1
                assert 0 <= value(api.client, f"{name}_sum", **of_job(slug)) < 3600
    waiting = {
        sample.labels["definition"]: sample.value
        for sample in runs.samples
        if sample.labels["state"] == "pending"
    }
    assert waiting == {"job-0": 1, "job-1": 1, "job-2": 1, "_others": 1}


def test_a_reader_that_stands_still_lags(database_url: str, tmp_path: Path) -> None:
    with in_process(database_url, tmp_path) as api:
        assert value(api.client, "apphub_reader_lag_events") == 0
        task = api.hub._task
        assert task is not None
        stopping = asyncio.run_coroutine_threadsafe(task.end(), task.task.get_loop())
        stopping.result(PATIENCE_S)
        job = {"slug": "one", "name": "One", "type": "batch", "entryPoint": "none"}
        api.client.post("/jobs", json=job).raise_for_status()
        assert value(api.client, "apphub_reader_lag_events") == 1


def test_websockets_are_counted_and_why_others_were_closed(client: httpx.Client) -> None:
    with stream(client) as told_of:
        told_of.next()
        assert value(client, "apphub_ws_connections") == 1
    eventually(lambda: value(client, "apphub_ws_connections") == 0)
    with stream(client, after=10**9) as refused, pytest.raises(Exception, match="beyond"):
        refused.next()
    assert value(client, "apphub_ws_dropped_total", reason="refused") == 1


def test_any_token_may_read_them_and_nobody_else(database_url: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"secret": {"principal": "prometheus", "role": "read"}}))
    tokens.chmod(0o600)
    options = ("--data-dir", str(tmp_path / "data"), "--tokens-file", str(tokens))
    with (
        started("serve", "--port", "0", *options, APPHUB_DATABASE_URL=database_url) as api,
        httpx.Client(base_url=api.url(), timeout=90) as client,
    ):
        assert client.get("/metrics").status_code == 401
        client.headers["Authorization"] = "Bearer secret"
        assert samples_of(scraped(client)) == documented("API")
