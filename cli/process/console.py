"""Prints the starts and ends of runs on the terminal, from the same stream that clients follow."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from threading import Lock
from time import time

from rich.console import Console
from rich.text import Text

from api.stream.frames import Frame, Selection, StreamRequest
from api.stream.sessions import Stream, Streams
from cli.run_lines import TYPES, LineLimiter, RunLines, text_of
from runtime.tasks import run_until_one_ends

SUMMARISE_S = 1.0

FELL_BEHIND = "runs come faster than they can be shown: some lines are missing"


class Terminal:
    """Prints lines on standard error, in colours if it is a terminal.

    Its methods block while the terminal is paused.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._lines = RunLines()
        self._limiter = LineLimiter()
        self._clock = clock
        self._printing = Lock()

    def print_messages(self, frames: Sequence[Frame]) -> None:
        """Print the lines of messages."""
        with self._printing:
            for frame in frames:
                if frame.type in TYPES:
                    self._print_message(frame)

    def say(self, text: str) -> None:
        """Print a remark."""
        with self._printing:
            self._console.print(Text(text))

    def summarise(self) -> None:
        """Print how many lines were left out, if any."""
        summary = self._limiter.summary(self._clock())
        if summary is not None:
            self.say(summary)

    def _print_message(self, frame: Frame) -> None:
        line = self._lines.line(json.loads(frame.text))
        if line is not None and self._limiter.allows(line.change, self._clock()):
            self._console.print(text_of(line))


async def print_runs(streams: Streams) -> None:
    """Print a line for each start and end of a run from now on, for ever.

    Printing happens in threads: a paused terminal must not block the event loop.
    """
    terminal = Terminal()
    request = StreamRequest(selection=Selection(types=TYPES))
    while True:
        arrival = await streams.hub.arrive()
        async with streams.open(request, arrival) as stream:
            await run_until_one_ends(
                _print_messages(stream, terminal), _summarise(terminal), stream.until_over()
            )
            reason = stream.end_reason or FELL_BEHIND
        await asyncio.to_thread(terminal.say, reason)


async def _print_messages(stream: Stream, terminal: Terminal) -> None:
    async with aclosing(stream.messages()) as messages:
        async for frames in messages:
            await asyncio.to_thread(terminal.print_messages, frames)


async def _summarise(terminal: Terminal) -> None:
    while True:
        await asyncio.sleep(SUMMARISE_S)
        await asyncio.to_thread(terminal.summarise)
