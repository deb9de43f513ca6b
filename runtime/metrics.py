"""What a process counts and measures of itself, in the words of Prometheus.

`docs/reference/metrics.md` tells operators what each means.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.tasks import TaskState

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# When a counter began is known from when its process began.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """What every process of the service has.

    Attributes:
        registry: for what only some processes have.
        append_s: how long callers wait for an append.
        batch_size: how many appends share a transaction.
        lock_hold_s: how long a transaction holds the append lock.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.append_s = Distribution(
            "apphub_append_seconds",
            "From asking for an append to its answer, whatever that is.",
            SECONDS,
        )
        self.registry.register(self.append_s)
        self.batch_size = Histogram(
            "apphub_append_batch_size",
            "Appends that are committed together.",
            registry=self.registry,
            buckets=SIZES,
        )
        self.lock_hold_s = Histogram(
            "apphub_lock_hold_seconds",
            "How long a transaction holds the append lock.",
            registry=self.registry,
            buckets=SECONDS,
        )

    def count(self, name: str, told: str, read: Callable[[], int]) -> None:
        """Show a number that somebody counts: it never falls while the process lives."""
        self.registry.register(_Counted(name, told, read))

    def show_tasks(self, states: Callable[[], Sequence[TaskState]]) -> None:
        """Show how often each background task was started again."""
        self.registry.register(_Restarts(states))

    def exposition(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)


class Distribution(Collector):
    """A histogram of one thread, for what happens thousands of times a second.

    The library's takes a lock for each observation, twice: a twentieth of all that an append costs.
    """

    def __init__(self, name: str, told: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._told = told
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Take in a value."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value

    def collect(self) -> Iterable[Metric]:
        """Return it as Prometheus counts: each bucket holds all that is no greater."""
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        counts = accumulate(self._counts)
        buckets = list(zip(bounds, counts, strict=True))
        yield HistogramMetricFamily(self._name, self._told, buckets=buckets, sum_value=self._sum)


class _Counted(Collector):
    def __init__(self, name: str, told: str, read: Callable[[], int]) -> None:
        self._name = name
        self._told = told
        self._read = read

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._told, value=self._read())


class _Restarts(Collector):
    def __init__(self, states: Callable[[], Sequence[TaskState]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "apphub_background_task_restarts",
            "How often a background task died and was started again.",
            labels=["task"],
        )
        for state in self._states():
            family.add_metric([state.name], state.deaths)
        yield family
