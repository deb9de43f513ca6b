"""What a job's definition says beside its function's signature, and the definition made of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from apphub_jobs.contract import Json
from apphub_jobs.typed.durations import Duration, milliseconds

JobType = Literal["batch", "service-triggered", "manual"]
RetryStrategy = Literal["none", "fixed", "exponential"]
Jitter = Literal["none", "full", "equal"]
Isolation = Literal["process", "shared"]
Outcome = Literal["succeeded", "failed", "canceled", "expired"]
UniqueUntil = Literal["start", "end"]
OnConflict = Literal["keep", "replace"]


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
    concurrency_limit: int
    rate_limit: int | None
    rate_period: Duration | None
    rate_key: str | None
    fairness_key: str | None
    unique: Sequence[str] | None
    unique_until: UniqueUntil
    on_conflict: OnConflict
    start_deadline: Duration | None
    isolation: Isolation
    cpus: float | None
    memory_mb: int | None
    gpus: int | None
    worker_labels: Mapping[str, str] | None
    retention: Mapping[Outcome, Duration] | None
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
            "concurrencyLimit": _unless(self.concurrency_limit, 1),
            "rateLimit": self._rate_limit(),
            "fairnessKey": self.fairness_key,
            "unique": self._unique(),
            "startDeadlineMs": _milliseconds("start_deadline", self.start_deadline),
            "resources": self._resources(),
            "workerLabels": dict(self.worker_labels) if self.worker_labels else None,
            "retention": self._retention(),
            "isolation": None if self.isolation == "process" else self.isolation,
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

    def _rate_limit(self) -> dict[str, Json] | None:
        if self.rate_limit is None and self.rate_period is None:
            if self.rate_key is not None:
                msg = (
                    f"rate_key={self.rate_key!r}: give rate_limit and rate_period, too"
                )
                raise ValueError(msg)
            return None
        if self.rate_limit is None or self.rate_period is None:
            msg = "rate_limit and rate_period: give both, so many starts in such a time"
            raise ValueError(msg)
        rate: dict[str, Json] = {
            "limit": self.rate_limit,
            "periodMs": _milliseconds("rate_period", self.rate_period),
            "key": self.rate_key,
        }
        return _given(rate)

    def _retention(self) -> dict[str, Json] | None:
        kept: dict[str, Json] = {}
        for outcome, duration in (self.retention or {}).items():
            option = f"retention[{outcome!r}]"
            kept[f"{outcome}Ms"] = _milliseconds(option, duration)
        return kept or None

    def _unique(self) -> dict[str, Json] | None:
        if self.unique is None:
            return None
        if isinstance(self.unique, str):
            msg = f"unique={self.unique!r}: give a list of parameters' names"
            raise TypeError(msg)
        return {
            "key": list(self.unique),
            "until": self.unique_until,
            "onConflict": self.on_conflict,
        }

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


def _unless(value: int, default: int) -> int | None:
    return None if value == default else value


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
