"""Jobs that take their time, fail, or launch others."""

import os
import time
from datetime import timedelta

from apphub_jobs import Client, JobRunContext, job


@job
def double(n: int) -> int:
    return 2 * n


@job(retries=2, retry_strategy="exponential", retry_delay=timedelta(hours=1))
def third_time_lucky(context: JobRunContext) -> int:
    if not context.run.is_last_attempt:
        raise ValueError(f"attempt {context.run.attempt}")
    return context.run.attempt


@job(timeout=timedelta(hours=2))
def sleepy() -> None:
    time.sleep(600)


@job(start_deadline="1h", max_concurrent_runs=1)
def alone(n: int) -> None:
    time.sleep(600)


@job
def parent(url: str, times: int) -> int:
    with Client(url) as client:
        for n in range(times):
            client.launch(double, n=n)
    return os.getpid()
