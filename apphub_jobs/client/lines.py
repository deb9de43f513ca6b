"""Lines out of chunks of bytes."""


class Lines:
    """Puts chunks together to lines, which end with a line feed and nothing else.

    Attributes:
        count_bytes: how many bytes have come.
    """

    def __init__(self) -> None:
        self.count_bytes = 0
        self._parts: list[bytes] = []

    def of(self, chunk: bytes) -> list[str]:
        """Return the lines that a chunk completes, without their ends."""
        self.count_bytes += len(chunk)
        *ended, rest = chunk.split(b"\n")
        lines = []
        for part in ended:
            self._parts.append(part)
            lines.append(self._joined())
        self._parts.append(rest)
        return lines

    def rest(self) -> list[str]:
        """Return what came after the last line, if anything did."""
        rest = self._joined()
        if not rest:
            return []
        return [rest]

    def _joined(self) -> str:
        line = b"".join(self._parts)
        self._parts.clear()
        return line.decode(errors="replace")
