"""Ports that a test chooses before a server listens at them, or listens there once more."""

import secrets
import socket
from contextlib import suppress
from pathlib import Path

MIN_PORT = 10_000

USUAL_END = 32_768


def free_port() -> int:
    """Return a port that nobody has, below those that the kernel gives to others meanwhile."""
    chosen_by_kernel = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    end = max(int(chosen_by_kernel.split()[0]), USUAL_END)
    while True:
        port = MIN_PORT + secrets.randbelow(end - MIN_PORT)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
