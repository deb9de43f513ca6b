"""The metrics of a process in Prometheus's format; `docs/reference/metrics.md` explains each.

First the metrics of every process (`Metrics`); then functions that write a metric of many samples
as text, without the library.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Literal

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from runtime.tasks import TaskState

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Without this, each counter would have a sample more with the time of its creation: the process's
# start, which is a metric already.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics that every process of the service has.

    Attributes:
        registry: all metrics of the process; some processes register further ones.
        append_s: the seconds that callers wait for an append.
        batch_size: the number of appends in a transaction.
        lock_hold_s: the seconds for which a transaction holds the append lock.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.append_s = Distribution(
            "apphub_append_seconds",
            "From the request of an append to its answer, whatever that is.",
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

    def add_counter(self, name: str, help_text: str, read: Callable[[], int]) -> None:
        """Add a counter.

        Args:
            name: the metric's name.
            help_text: its explanation.
            read: returns its value, which must never fall while the process runs.
        """
        self.registry.register(_Counter(name, help_text, read))

    def add_task_restarts(self, states: Callable[[], Sequence[TaskState]]) -> None:
        """Add a counter of the restarts of each background task."""
        self.registry.register(_TaskRestarts(states))

    def add_build_info(self, version: str) -> None:
        """Add a metric with the versions of the service and of Python as labels."""
        python = platform.python_version()
        family = GaugeMetricFamily(
            "apphub_build_info",
            "Always 1; the version of the service, and of Python.",
            labels=["version", "python"],
        )
        family.add_metric([version, python], 1)
        self.registry.register(_Constant(family))

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class Distribution(Collector):
    """A histogram without locks: for one thread with thousands of observations a second.

    The library's histogram locks twice for each observation, a twentieth of the cost of an append.
    """

    def __init__(self, name: str, help_text: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._help_text = help_text
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterable[Metric]:
        """Yield the histogram with cumulative buckets: each counts all values up to its bound."""
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(
            self._name, self._help_text, buckets=buckets, sum_value=self._sum
        )


class _Counter(Collector):
    def __init__(self, name: str, help_text: str, read: Callable[[], int]) -> None:
        self._name = name
        self._help_text = help_text
        self._read = read

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._help_text, value=self._read())


class _Constant(Collector):
    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        yield self._family


class _TaskRestarts(Collector):
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


# Metrics of many samples are written as text: the library takes ten times as long for each sample.

Sample = tuple[str, float]
"""The labels, as `format_labels` returns them, and the value."""


def format_labels(**labels: str) -> str:
    """Return labels as Prometheus's text format has them between braces: `a="1",b="2"`."""
    return ",".join([f'{name}="{_escape(value)}"' for name, value in labels.items()])


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def format_metric(
    name: str,
    kind: Literal["counter", "gauge", "histogram"],
    help_text: str,
    samples: Iterable[Sample],
    lines: str = "",
) -> bytes:
    """Return a metric in Prometheus's text format.

    Args:
        name: the metric's name.
        kind: its type.
        help_text: its explanation.
        samples: its samples.
        lines: further samples as lines of text, such as the buckets of a histogram.
    """
    head = f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"
    sample_lines = [
        f"{name}{{{labels}}} {value}\n" if labels else f"{name} {value}\n"
        for labels, value in samples
    ]
    return "".join([head, *sample_lines, lines]).encode()
