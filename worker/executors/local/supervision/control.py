"""What the worker says to a supervisor."""

from __future__ import annotations

import json
import math
import os
import select
import sys
import time

CHUNK_BYTES = 65_536

LOOK_AGAIN_S = 3_600.0
"""How long to wait for the worker's word at a time: the system's clocks for it know no more than
some weeks."""


class Control:
    """What the worker says, and until when its word holds."""

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self.lease_until = math.inf
        self._received = b""

    def read(self) -> list[dict[str, object]] | None:
        """Return the commands that there are; None once the worker is gone for good."""
        chunk = os.read(self.descriptor, CHUNK_BYTES)
        if not chunk:
            return None
        received = self._received + chunk
        *lines, self._received = received.split(b"\n")
        commands: list[dict[str, object]] = [json.loads(line) for line in lines]
        for command in commands:
            if "renew" in command:
                self.lease_until = number(command["renew"]) or 0.0
        return commands

    @property
    def lease_is_over(self) -> bool:
        """Return whether others may take the worker for dead from now on."""
        return time.monotonic() > self.lease_until


def number(value: object) -> float | None:
    """Return what was said as a number."""
    if value is None:
        return None
    return float(str(value))


def next_order(control: Control) -> list[dict[str, object]]:
    """Wait for an order, with whatever was said in one breath; [] once worker or lease is gone.

    Until then an attempt may be under way of which nobody has told yet, or the child has ended in
    the middle of one.
    """
    poller = select.poll()
    poller.register(control.descriptor, select.POLLIN)
    while not control.lease_is_over:
        left_s = max(0.0, control.lease_until - time.monotonic())
        timeout_ms = min(left_s, LOOK_AGAIN_S) * 1000 + 1
        if not poller.poll(timeout_ms):
            continue
        commands = control.read()
        if commands is None:
            break
        # What is no order was said to the attempt before, which had ended already.
        for index, command in enumerate(commands):
            if "log" in command:
                return commands[index:]
    return []
