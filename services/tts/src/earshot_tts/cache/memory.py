"""The sentences that this process spoke last: an LRU bounded by bytes. Pure."""

from __future__ import annotations

from collections import OrderedDict

from earshot_tts.cache.blob import Frames


class MemoryCache:
    """Least recently used sentences go first.

    Args:
        capacity_bytes: Bound of all payloads together; 0 keeps nothing.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._entries: OrderedDict[str, tuple[Frames, int]] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: str) -> Frames | None:
        """Return a sentence, which then is the last to go."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: str, frames: Frames) -> None:
        """Keep a sentence, unless it alone is larger than the cache."""
        size = sum(map(len, frames))
        if size > self._capacity:
            return
        if key in self._entries:
            self.size_bytes -= self._entries.pop(key)[1]
        self._entries[key] = (frames, size)
        self.size_bytes += size
        while self.size_bytes > self._capacity:
            _, (_, gone) = self._entries.popitem(last=False)
            self.size_bytes -= gone
