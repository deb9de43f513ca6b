"""How many WebSockets there are, and why the service ended others."""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

Reason = Literal["forbidden", "refused", "unavailable", "log_changed", "too_slow"]
"""Why the service closes a WebSocket."""


class WebSocketMetrics:
    """Counts them.

    Attributes:
        connections: those that are open.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "apphub_ws_connections", "WebSockets that are open.", registry=registry
        )
        self._dropped = Counter(
            "apphub_ws_dropped",
            "WebSockets that the service closed, by reason.",
            ["reason"],
            registry=registry,
        )
        # A reason that has never been is a zero, and no gap.
        for reason in get_args(Reason):
            self._dropped.labels(reason)

    def dropped(self, reason: Reason) -> None:
        """Count one that the service closed."""
        self._dropped.labels(reason).inc()
