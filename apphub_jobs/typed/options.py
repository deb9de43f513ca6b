"""What a job's definition says beside its function's signature, and the definition made of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from apphub_jobs.contract import Json
from apphub_jobs.typed.durations import Duration, milliseconds

JobType = Literal["batch", "service-triggered", "manual"]
RetryStrategy = Literal["none", "fixed", "exponential"]
Jitter = Literal["none", "full", "equal"]
Isolation = Literal["process"]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The arguments of `job`, whose documentation tells what each means."""

    slug: str
    name: str
    entry_point: str
    type: JobType
    timeout: Duration | None
    retries: int
    retry_strategy: RetryStrategy
    retry_delay: Duration | None
    max_retry_delay: Duration | None
    retry_jitter: Jitter
    priority: int
    max_concurrent_runs: int | None
    concurrency_key: str | None
    start_deadline: Duration | None
    isolation: Isolation
    cpus: float | None
    memory_mb: int | None
    gpus: int | None
    metadata: Mapping[str, Json] | None

    def fields(self, description: str) -> dict[str, Json]:
        """Return them as a definition has them; what was not said is left out.

        Raises:
            ValueError: one is wrong by itself; the service judges the rest.
        """
        fields = {
            "slug": self.slug,
            "name": self.name,
            "type": self.type,
            "entryPoint": self.entry_point,
            "timeoutMs": _milliseconds("timeout", self.timeout),
            "retryPolicy": self._retry_policy(),
            "priority": self.priority or None,
            "maxConcurrentRuns": self.max_concurrent_runs,
            "concurrencyKey": self.concurrency_key,
            "startDeadlineMs": _milliseconds("start_deadline", self.start_deadline),
            "resources": self._resources(),
            "metadata": self._metadata(description),
        }
        return _given(fields)

    def _retry_policy(self) -> dict[str, Json] | None:
        if self.retries < 0:
            msg = f"retries={self.retries}: must be 0 or more attempts after the first"
            raise ValueError(msg)
        if self.retries == 0:
            return None
        policy = {
            "maxAttempts": self.retries + 1,
            "strategy": self.retry_strategy,
            "initialDelayMs": _milliseconds("retry_delay", self.retry_delay),
            "maxDelayMs": _milliseconds("max_retry_delay", self.max_retry_delay),
            "jitter": self.retry_jitter,
        }
        return _given(policy)

    def _resources(self) -> dict[str, Json] | None:
        resources = {
            "cpus": self.cpus,
            "memoryMb": self.memory_mb,
            "gpus": self.gpus,
        }
        return _given(resources) or None

    def _metadata(self, description: str) -> dict[str, Json] | None:
        metadata = dict(self.metadata or {})
        if description:
            metadata.setdefault("description", description)
        return metadata or None


def _given(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None}


def _milliseconds(name: str, duration: Duration | None) -> int | None:
    if duration is None:
        return None
    try:
        return milliseconds(duration)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ValueError(msg) from None
