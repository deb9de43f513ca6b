"""Tells the terminal of runs, by the same stream that clients follow."""

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
from cli.run_lines import TYPES, Pace, RunLines, text_of
from runtime.tasks import until_one_ends

SUMMARISE_S = 1.0

FELL_BEHIND = "runs come faster than they can be shown: some lines are missing"


class Terminal:
    """Where lines are printed: standard error, in colours where it is a terminal.

    Its methods may wait for as long as somebody keeps the terminal from scrolling.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._lines = RunLines()
        self._pace = Pace()
        self._clock = clock
        self._printing = Lock()

    def tell(self, frames: Sequence[Frame]) -> None:
        """Print what there is to say of messages."""
        with self._printing:
            for frame in frames:
                if frame.type in TYPES:
                    self._tell(frame)

    def say(self, text: str) -> None:
        """Print a remark."""
        with self._printing:
            self._console.print(Text(text))

    def summarise(self) -> None:
        """Print how many lines were left out, if any were."""
        summary = self._pace.summary(self._clock())
        if summary is not None:
            self.say(summary)

    def _tell(self, frame: Frame) -> None:
        message = json.loads(frame.text)
        line = self._lines.line(message)
        if line is None:
            return
        now_s = self._clock()
        if self._pace.lets_pass(line.what, now_s):
            text = text_of(line)
            self._console.print(text)


async def tell_of_runs(streams: Streams) -> None:
    """Print a line for each start and end from now on, for ever.

    It is done in threads: a terminal that stands still must not keep anybody else waiting.
    """
    terminal = Terminal()
    wanted = StreamRequest(selection=Selection(types=TYPES))
    while True:
        arrival = await streams.arrive()
        async with streams.open(wanted, arrival) as stream:
            await until_one_ends(
                _tell(stream, terminal), _summarise(terminal), stream.fell_behind()
            )
            why = stream.ended or FELL_BEHIND
        await asyncio.to_thread(terminal.say, why)


async def _tell(stream: Stream, terminal: Terminal) -> None:
    async with aclosing(stream.messages()) as messages:
        async for frames in messages:
            await asyncio.to_thread(terminal.tell, frames)


async def _summarise(terminal: Terminal) -> None:
    while True:
        await asyncio.sleep(SUMMARISE_S)
        await asyncio.to_thread(terminal.summarise)
