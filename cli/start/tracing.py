"""Whether a process sends traces: OpenTelemetry's own variables say so, and where to.

`traced_as` is for the processes, `tracing_problem` also for `doctor`.
"""

import logging
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution

logger = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

_PACKAGES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")

PROTOCOL = "http/protobuf"


def collector_of(environ: Mapping[str, str]) -> str | None:
    """Return the address that traces are to be sent to, None for none."""
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_disabled or environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none":
        return None
    return next((environ[name] for name in _ENDPOINTS if environ.get(name)), None)


def tracing_problem(environ: Mapping[str, str]) -> str | None:
    """Return why no traces can be sent to the collector, with the remedy; None if they can."""
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), PROTOCOL)
    if protocol != PROTOCOL:
        return f"traces are sent by {PROTOCOL} alone: set OTEL_EXPORTER_OTLP_PROTOCOL={PROTOCOL}"
    try:
        for package in _PACKAGES:
            distribution(package)
    except PackageNotFoundError as error:
        return f"{error.name} is not installed: pip install 'apphub-jobs-server[otel]'"
    return None


def traced_as(service_name: str, environ: Mapping[str, str]) -> str | None:
    """Return the service's name in traces, None if it sends none.

    A collector that is named, but cannot be used, is no reason not to start: the variables may be
    those of a whole cluster.
    """
    if collector_of(environ) is None:
        return None
    problem = tracing_problem(environ)
    if problem is not None:
        logger.warning("no traces are sent: %s", problem)
        return None
    return service_name
