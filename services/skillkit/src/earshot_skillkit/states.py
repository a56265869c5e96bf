"""What a skill keeps for a household or for one of its devices: JSON values under compare-and-set.

Two replicas may change the same value at once. `update` reads, changes and writes on condition that nobody else has
written, and starts over when somebody has, so the change must be a pure function.

Keys are <skill_id>.<household>.<device or "-">.<name>. A skill's credentials reach its own keys alone; purging
$KV.SKILL_STATES.*.<household>.> erases a household in every skill.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from earshot_skillkit.errors import StateConflictError, StateUnavailableError
from earshot_topology.subjects import token

# Enough for every device of a household at once; a longer conflict is a mistake.
_ATTEMPTS = 16


class States(Protocol):
    """The states of one skill. `name` is a NATS token; `household_id` and `device_id` are ids of the call."""

    async def get(self, household_id: str, name: str, *, device_id: str = "") -> Any:
        """Return a value; None when there is none.

        Raises:
            StateUnavailableError: The bus does not answer.
        """

    async def update(self, household_id: str, name: str, change: Callable[[Any], Any], *, device_id: str = "") -> Any:
        """Replace a value by what `change` makes of it (None: there was none, or remove it) and return that.

        Raises:
            StateConflictError: Others kept changing it.
            StateUnavailableError: The bus does not answer; the change may or may not have been made.
        """


class BucketStates:
    """States in the bucket SKILL_STATES.

    Args:
        bucket: The bucket.
        skill_id: Whose states they are.
    """

    def __init__(self, bucket: KeyValue, skill_id: str) -> None:
        self._bucket = bucket
        self._skill_id = token(skill_id)

    async def get(self, household_id: str, name: str, *, device_id: str = "") -> Any:
        """See States."""
        kept, _ = await self._read(self._key(household_id, name, device_id))
        return _decode(kept)

    async def update(self, household_id: str, name: str, change: Callable[[Any], Any], *, device_id: str = "") -> Any:
        """See States."""
        key = self._key(household_id, name, device_id)
        for _ in range(_ATTEMPTS):
            kept, revision = await self._read(key)
            changed = change(_decode(kept))
            # Compared as written: a change may have been made in place.
            written = _encode(changed)
            if written == kept or await self._write(key, written, revision):
                return changed
        raise StateConflictError(f"state {name!r} was changed by others {_ATTEMPTS} times")

    async def _read(self, key: str) -> tuple[bytes, int]:
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as error:
            # A deletion marker has a revision that the next write must expect.
            return b"", getattr(error.entry, "revision", None) or 0
        except (NatsError, JetStreamError, OSError) as error:
            raise StateUnavailableError(f"the state can't be read: {type(error).__name__}") from error
        return entry.value or b"", entry.revision or 0

    async def _write(self, key: str, value: bytes, revision: int) -> bool:
        try:
            await self._bucket.update(key, value, last=revision)
        except KeyWrongLastSequenceError:
            return False
        except (NatsError, JetStreamError, OSError) as error:
            raise StateUnavailableError(f"the state can't be written: {type(error).__name__}") from error
        return True

    def _key(self, household_id: str, name: str, device_id: str) -> str:
        return f"{self._skill_id}.{token(household_id)}.{token(device_id) if device_id else '-'}.{token(name)}"


class MemoryStates:
    """States in memory, for tests and for trying a skill without a bus."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], bytes] = {}

    async def get(self, household_id: str, name: str, *, device_id: str = "") -> Any:
        """See States."""
        return _decode(self._values.get((household_id, device_id, name), b""))

    async def update(self, household_id: str, name: str, change: Callable[[Any], Any], *, device_id: str = "") -> Any:
        """See States."""
        changed = change(await self.get(household_id, name, device_id=device_id))
        self._values[household_id, device_id, name] = _encode(changed)
        return changed


def _encode(value: Any) -> bytes:
    """Return JSON; nothing for None."""
    return b"" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _decode(kept: bytes) -> Any:
    return json.loads(kept) if kept else None
