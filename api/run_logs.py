"""Serving what an attempt printed: whole, from an offset, or followed while it is written."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio

CHUNK_BYTES = 65_536

FOLLOW_EVERY_S = 0.25


async def read_log(paths: list[Path], offset: int) -> AsyncIterator[bytes]:
    """Yield the files' bytes one after the other, from an offset into all of them."""
    for path in paths:
        async with await anyio.open_file(path, "rb") as file:
            size = await file.seek(0, 2)
            await file.seek(min(offset, size))
            offset = max(0, offset - size)
            while chunk := await file.read(CHUNK_BYTES):
                yield chunk


async def follow_log(
    paths: Callable[[], list[Path]], offset: int, is_over: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """Yield what is there and what is still printed, until the attempt is over and all of it has been yielded."""
    while True:
        over = await is_over()  # Asked before reading: whatever was printed before the end is read after it.
        async for chunk in read_log(paths(), offset):
            offset += len(chunk)
            yield chunk
        if over:
            return
        await asyncio.sleep(FOLLOW_EVERY_S)
