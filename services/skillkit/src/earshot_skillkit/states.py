"""What a skill keeps for a household or for one of its devices: JSON values under compare-and-set.

Two replicas may change the same value at once. `update` reads, changes and writes on condition that nobody else has
written, and starts over when somebody has, so the change must be a pure function.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from earshot_skillkit.errors import StateConflictError
from earshot_topology.subjects import token

# Enough for every device of a household at once; a longer conflict is a mistake.
_ATTEMPTS = 16


class States(Protocol):
    """The states of one skill. `name` is a NATS token; `household_id` and `device_id` are ids of the call."""

    async def get(self, household_id: str, name: str, *, device_id: str = "") -> Any:
        """Return a value; None when there is none."""

    async def update(self, household_id: str, name: str, change: Callable[[Any], Any], *, device_id: str = "") -> Any:
        """Replace a value by what `change` makes of it (None: there was none, or remove it) and return that.

        Raises:
            StateConflictError: Others kept changing it.
        """

    async def erase(self, household_id: str) -> None:
        """Remove everything that is kept for a household."""


class BucketStates:
    """States in the bucket SKILL_STATES, under <skill_id>.<household>.<device or "-">.<name>.

    Args:
        bucket: The bucket.
        skill_id: Whose states they are.
    """

    def __init__(self, bucket: KeyValue, skill_id: str) -> None:
        self._bucket = bucket
        self._skill_id = token(skill_id)

    async def get(self, household_id: str, name: str, *, device_id: str = "") -> Any:
        """See States."""
        value, _ = await self._read(self._key(household_id, name, device_id))
        return value

    async def update(self, household_id: str, name: str, change: Callable[[Any], Any], *, device_id: str = "") -> Any:
        """See States."""
        key = self._key(household_id, name, device_id)
        for _ in range(_ATTEMPTS):
            value, revision = await self._read(key)
            changed = change(value)
            if changed == value:
                return value
            try:
                await self._bucket.update(key, b"" if changed is None else _encode(changed), last=revision)
            except KeyWrongLastSequenceError:
                continue
            return changed
        raise StateConflictError(f"state {name!r} was changed by others {_ATTEMPTS} times")

    async def erase(self, household_id: str) -> None:
        """See States."""
        watcher = await self._bucket.watch(
            f"{self._skill_id}.{token(household_id)}.>", ignore_deletes=True, meta_only=True
        )
        try:
            keys = [entry.key async for entry in _until_none(watcher)]
        finally:
            await watcher.stop()  # type: ignore[no-untyped-call]
        for key in keys:
            await self._bucket.purge(key)

    async def _read(self, key: str) -> tuple[Any, int]:
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as error:
            # A deletion marker has a revision that the next write must expect.
            return None, getattr(error.entry, "revision", None) or 0
        return (json.loads(entry.value) if entry.value else None), entry.revision or 0

    def _key(self, household_id: str, name: str, device_id: str) -> str:
        return f"{self._skill_id}.{token(household_id)}.{token(device_id) if device_id else '-'}.{token(name)}"


class MemoryStates:
    """States in memory, for tests and for trying a skill without a bus."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], str] = {}

    async def get(self, household_id: str, name: str, *, device_id: str = "") -> Any:
        """See States."""
        value = self._values.get((household_id, device_id, name))
        return None if value is None else json.loads(value)

    async def update(self, household_id: str, name: str, change: Callable[[Any], Any], *, device_id: str = "") -> Any:
        """See States."""
        changed = change(await self.get(household_id, name, device_id=device_id))
        if changed is None:
            self._values.pop((household_id, device_id, name), None)
        else:
            self._values[household_id, device_id, name] = json.dumps(changed)
        return changed

    async def erase(self, household_id: str) -> None:
        """See States."""
        for key in [key for key in self._values if key[0] == household_id]:
            del self._values[key]


async def _until_none(watcher: KeyValue.KeyWatcher) -> AsyncIterator[KeyValue.Entry]:
    async for entry in watcher:
        # None comes when everything that is there has been seen.
        if entry is None:
            return
        yield entry


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
