"""Spans of launches and attempts, sent to an OpenTelemetry collector.

Only a process that sends traces imports this module, and with it the SDK. The SDK's own variables
(`OTEL_…`) say where spans are sent, and which. Spans name the run, and say nothing of its
parameters, its result or its error's message: an erasure does not reach a collector.
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

CLOSE_S = 3.0
"""How long the last spans may take to be sent when the process stops."""

Attributes = Mapping[str, str | int]

_W3C = TraceContextTextMapPropagator()


class OpenSpan:
    """A span that has not ended.

    Attributes:
        traceparent: by which others continue its trace.
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
        """Give it another name."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """Mark it as failed, by the kind of error alone."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))


class Tracing:
    """Makes spans, and sends them in the background."""

    def __init__(self, service_name: str, version: str) -> None:
        """Start to send spans.

        Args:
            service_name: the service's, unless `OTEL_SERVICE_NAME` gives another.
            version: the service's.
        """
        own = Resource.create({"service.name": service_name, "service.version": version})
        # The process's end must not wait for a collector that does not answer.
        self._provider = TracerProvider(
            resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("apphub-jobs", version)

    @contextmanager
    def launch(self, traceparent: str | None) -> Iterator[OpenSpan]:
        """Make a span of a launch within the block, inside the client's span if there is one."""
        parent = Context() if traceparent is None else _context_of(traceparent)
        with self._span("launch", parent, SpanKind.PRODUCER) as span:
            yield span

    @contextmanager
    def attempt(self, job: str, number: int, launch: str | None) -> Iterator[OpenSpan]:
        """Make a span of an attempt within the block.

        A retry may begin a day after the launch, when no collector still gathers that trace: it
        begins a trace of its own, with a link to the launch.

        Args:
            job: its slug.
            number: the attempt's, from 1.
            launch: the span of the run's launch, if it was traced.
        """
        parent, links = Context(), []
        if launch is not None:
            launched = _context_of(launch)
            of_launch = trace.get_current_span(launched).get_span_context()
            # What the client does not sample is not sampled later either.
            if number == 1 or not of_launch.trace_flags.sampled:
                parent = launched
            else:
                links = [Link(of_launch)]
        with self._span(f"run {job}", parent, SpanKind.CONSUMER, links) as span:
            span.add({"apphub.job": job, "apphub.attempt": number})
            yield span

    @contextmanager
    def _span(
        self, name: str, parent: Context, kind: SpanKind, links: Sequence[Link] = ()
    ) -> Iterator[OpenSpan]:
        span = self._tracer.start_span(name, parent, kind, links=links)
        opened = OpenSpan(span)
        try:
            yield opened
        except BaseException as error:
            opened.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Send the last spans, as far as the collector takes them in time."""
        closing = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(CLOSE_S)


def _context_of(traceparent: str) -> Context:
    return _W3C.extract({HEADER: traceparent}, Context())
