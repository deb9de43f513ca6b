"""What was used last, bounded by its size."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps the values used last, as many as fit into some bytes; the newest however big it is."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return a value that is still kept."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        value, _ = found
        return value

    def keep(self, key: K, value: V, size_bytes: int) -> None:
        """Keep a value, instead of those that were not used for the longest time."""
        kept = self._kept
        self._drop(key)
        kept[key] = value, size_bytes
        self._bytes += size_bytes
        while self._bytes > self._most_bytes and len(kept) > 1:
            oldest = next(iter(kept))
            self._drop(oldest)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def _drop(self, key: K) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            _, size_bytes = found
            self._bytes -= size_bytes
