"""What a device has been told to play: kept per device, so that "next" and "previous" know where they are. No I/O.

The device plays the queue by itself. Where it has got to is what it last said (the item in its player); the position that
is kept here is where the skill last put it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from earshot_skill_music.library import TrackId

LONGEST = 200
"""Tracks in one queue; a longer selection is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue and the place in it.

    Attributes:
        queue_id: Made from the call that began it.
        tracks: In the order of playing.
        position: Index of the track that was last started by a call.
        call: The call that changed it last: a repetition of it changes nothing.
    """

    queue_id: str
    tracks: tuple[TrackId, ...]
    position: int = 0
    call: str = ""

    @classmethod
    def begin(cls, tracks: tuple[TrackId, ...], *, call: str) -> Self:
        """Return a new queue."""
        name = hashlib.sha256(call.encode()).hexdigest()[:12]
        return cls(queue_id=name, tracks=tracks[:LONGEST], call=call)

    @classmethod
    def from_json(cls, value: Any) -> Self | None:
        """Read a queue; None for what is none."""
        if not isinstance(value, Mapping) or not value.get("tracks"):
            return None
        return cls(
            queue_id=str(value["queue_id"]),
            tracks=tuple(TrackId(str(track)) for track in value["tracks"]),
            position=int(value["position"]),
            call=str(value["call"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "queue_id": self.queue_id,
            "tracks": list(self.tracks),
            "position": self.position,
            "call": self.call,
        }

    def item_id(self, index: int) -> str:
        """Return the id of the item at an index, as the device is told."""
        return f"{self.queue_id}.{index}"

    def index_of(self, item_id: str) -> int | None:
        """Return the index that an item's id names; None if it is not of this queue."""
        name, _, index = item_id.rpartition(".")
        if name != self.queue_id or not index.isdigit() or int(index) >= len(self.tracks):
            return None
        return int(index)

    def present(self, item_id: str) -> int:
        """Return the index of what plays: by the device's own word, else where the skill last put it."""
        index = self.index_of(item_id)
        return self.position if index is None else index

    def moved(self, by: int, *, item_id: str, call: str) -> Self | None:
        """Return the queue moved on from what plays; None beyond its end. Before its beginning is its beginning."""
        if call == self.call:
            return self
        position = max(0, self.present(item_id) + by)
        if position >= len(self.tracks):
            return None
        return replace(self, position=position, call=call)

    @property
    def rest(self) -> tuple[tuple[str, TrackId], ...]:
        """Item ids and tracks from the position on."""
        return tuple((self.item_id(index), track) for index, track in enumerate(self.tracks) if index >= self.position)
