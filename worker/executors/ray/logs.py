"""The log of an attempt elsewhere, which its supervisor there has stamped and cut already."""

from worker.executors.local.supervision.attempt_log import Log


class VerbatimLog(Log):
    """Keeps what comes as it is."""

    def __init__(self, path: str, limit: int) -> None:
        """Have room for what was cut at the limit, and for what says so."""
        super().__init__(path, 2 * limit)

    def _stamped(self, output: bytes) -> bytes:
        return output
