"""Spans of launches and attempts, sent to an OpenTelemetry collector.

Only a process that sends traces imports this module, and with it the SDK. The SDK's own variables
(`OTEL_…`) determine where spans are sent, and which. A span has the run's id, but none of its
parameters, results or error messages: an erasure could not remove them from a collector.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runtime.traceparent import HEADER

CLOSE_TIMEOUT_S = 3.0
"""How long a stopping process waits for its last spans to be sent."""

Attributes = Mapping[str, str | int]

_W3C = TraceContextTextMapPropagator()


class OpenSpan:
    """A span that has not ended.

    Attributes:
        traceparent: the header by which other programs continue the trace.
    """

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
        self.traceparent = carrier[HEADER]

    def add(self, attributes: Attributes) -> None:
        """Add attributes, or replace them."""
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Change the span's name."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """Mark the span as failed, with the type of the error and without its message."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))


class Tracing:
    """Records spans, and sends them in the background."""

    def __init__(self, service_name: str, version: str) -> None:
        """Start to send spans.

        Args:
            service_name: the service's name, unless `OTEL_SERVICE_NAME` has another.
            version: the service's version.
        """
        service = Resource.create({"service.name": service_name, "service.version": version})
        # The process's exit must not wait for a collector that does not answer.
        self._provider = TracerProvider(
            resource=service.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("apphub-jobs", version)

    @contextmanager
    def launch(self, traceparent: str | None) -> Iterator[OpenSpan]:
        """Record a span of a launch around the block, inside the client's span if there is one."""
        parent = Context() if traceparent is None else _parse_context(traceparent)
        with self._span("launch", parent, SpanKind.PRODUCER) as span:
            yield span

    @contextmanager
    def attempt(self, job: str, number: int, launch: str | None) -> Iterator[OpenSpan]:
        """Record a span of an attempt around the block.

        A retry may begin a day after the launch, when no collector gathers that trace any more. So
        it begins a trace of its own, with a link to the launch.

        Args:
            job: the job's slug.
            number: the attempt's number, from 1.
            launch: the `traceparent` of the run's launch; None if that was not traced.
        """
        parent, links = Context(), []
        if launch is not None:
            launch_context = _parse_context(launch)
            launch_span = trace.get_current_span(launch_context).get_span_context()
            # If the client does not sample its trace, no retry is sampled either.
            if number == 1 or not launch_span.trace_flags.sampled:
                parent = launch_context
            else:
                links = [Link(launch_span)]
        with self._span(f"run {job}", parent, SpanKind.CONSUMER, links) as span:
            span.add({"apphub.job": job, "apphub.attempt": number})
            yield span

    @contextmanager
    def _span(
        self, name: str, parent: Context, kind: SpanKind, links: Sequence[Link] = ()
    ) -> Iterator[OpenSpan]:
        span = self._tracer.start_span(name, parent, kind, links=links)
        open_span = OpenSpan(span)
        try:
            yield open_span
        except BaseException as error:
            open_span.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Send the last spans, for `CLOSE_TIMEOUT_S` at most; the rest is dropped."""
        shutdown = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        shutdown.start()
        shutdown.join(CLOSE_TIMEOUT_S)


def _parse_context(traceparent: str) -> Context:
    return _W3C.extract({HEADER: traceparent}, Context())
