"""What a shared process printed before it crashed."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from worker.executors.port import Outcome

logger = logging.getLogger(__name__)

LAST_WORDS_BYTES = 4_096


def tell_last_words(crash: Outcome, log: Path) -> None:
    """Say to the operator what the process printed last, for no attempt's log has it."""
    last = b""
    with suppress(OSError), log.open("rb") as printed:
        size = printed.seek(0, os.SEEK_END)
        start = max(size - LAST_WORDS_BYTES, 0)
        printed.seek(start)
        last = printed.read()
    text = last.decode("utf-8", "replace")
    said = crash.message["message"]
    logger.warning("%s; the end of what it printed:\n%s", said, text)
