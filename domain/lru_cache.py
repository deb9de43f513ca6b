"""A cache of the values that were used last, bounded by bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Keeps the values that were used last, up to some bytes; the newest one always."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return a value that is still kept."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        value, _ = self._kept[key]
        return value

    def keep(self, key: K, value: V, size_bytes: int) -> None:
        """Keep a value, and drop those that have not been used for the longest time."""
        self._drop(key)
        self._kept[key] = value, size_bytes
        self._bytes += size_bytes
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def _drop(self, key: K) -> None:
        if key in self._kept:
            _, size_bytes = self._kept.pop(key)
            self._bytes -= size_bytes
