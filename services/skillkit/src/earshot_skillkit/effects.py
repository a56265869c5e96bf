"""The once-guard: what a skill does to the world outside is done as often as its manifest promises, whoever dies.

A call may come again, to another replica, while the first attempt is dead, frozen or still at work. Each effect has an
entry in a journal, written by compare-and-set under the call's idempotency key before anything is done:

    found in the journal      exactly once, at least once     at most once
    nothing                   perform                         write "intended", then perform: one writer wins
    intended (by another)     -                               mark "unknown"; never perform; nobody can tell
    done                      its result, without performing  its result, without performing
    refused                   refused again                   refused again
    unknown                   -                               nobody can tell

"Exactly once" and "at least once" differ in the target alone: one that honours the key does a thing once for it, however
often it is asked. Both are asked again, with the same key, until it is known what became of the effect or the call's time
is over. What is known is journalled, so that later attempts say the same.

The frozen owner that wakes (at most once only; the others may go on):

    before its effect         it looks again when it was away for a second: marked by another, it performs nothing
    after its effect          its "done" is refused where another has marked "unknown", which the user has been told

Between that look and the request on the wire nothing fences it: then the effect happens once, after "nobody can tell" was
said, which is true.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from earshot_chassis.errors import ConflictError
from earshot_skillkit.errors import EffectRefusedError, EffectUnknownError, StateUnavailableError
from earshot_skillkit.manifest import EffectGuarantee
from earshot_topology.subjects import token

R = TypeVar("R")
Perform = Callable[[str], Awaitable[R]]

# Away for longer than this between "intended" and the effect: somebody may have taken over.
_FRESH_S = 1.0
_PAUSE_S = 0.2
# Left to say what became of it.
_MARGIN_S = 0.3
_ATTEMPTS = 20


class State(StrEnum):
    """What is known of an effect."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One effect in the journal.

    Attributes:
        state: What is known.
        owner: The attempt that intends it.
        result: What performing it returned; JSON.
    """

    state: State
    owner: str
    result: Any = None


class Journal(Protocol):
    """Where effects are written down, by the name of the effect."""

    async def read(self, key: str) -> tuple[Entry | None, int]:
        """Return an entry and its revision; (None, 0) where there is none.

        Raises:
            StateUnavailableError: The bus does not answer.
        """

    async def write(self, key: str, entry: Entry, revision: int) -> int:
        """Replace the entry of that revision (0: there is none); return the new revision.

        Raises:
            ConflictError: Somebody else has written.
            StateUnavailableError: The bus does not answer; the entry may or may not have been written.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceGuard:
    """Guards the effects of one call.

    Attributes:
        journal: Of the skill.
        guarantee: The manifest's.
        key: The call's idempotency key.
        deadline: By when the call's answer must be complete, aware.
        now: The present moment, aware.
        owner: This attempt.
    """

    journal: Journal
    guarantee: EffectGuarantee
    key: str
    deadline: datetime
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    async def once(self, name: str, perform: Perform[R]) -> R:
        """Perform an effect as often as is promised; return its result, also where an earlier attempt had it.

        Args:
            name: Which effect of the call; a NATS token.
            perform: Given the idempotency key of this effect, has the effect and returns JSON values. It raises
                EffectRefusedError when it is sure that nothing has happened; whatever else it raises leaves that open.

        Raises:
            EffectRefusedError: Nothing has happened.
            EffectUnknownError: Nobody can tell whether it has happened.
            StateUnavailableError: The journal does not answer, and nothing has happened.
        """
        key = f"{self.key}.{token(name)}"
        if self.guarantee is EffectGuarantee.AT_MOST_ONCE:
            return await self._at_most_once(key, perform)
        return await self._until_known(key, perform)

    async def _until_known(self, key: str, perform: Perform[R]) -> R:
        entry, revision = await self.journal.read(key)
        if entry is not None:
            return cast("R", _known(entry))
        while True:
            try:
                result = await perform(key)
            except EffectRefusedError:
                await self._note(key, State.REFUSED, None, revision)
                raise
            except Exception as error:
                if self._left_s() < _PAUSE_S:
                    raise EffectUnknownError("the target gave no answer in time") from error
                await asyncio.sleep(_PAUSE_S)
            else:
                return cast("R", await self._note(key, State.DONE, result, revision))

    async def _at_most_once(self, key: str, perform: Perform[R]) -> R:
        began = time.monotonic()
        try:
            revision = await self._intend(key)
        except _Found as found:
            return cast("R", _known(found.entry))
        if time.monotonic() - began > _FRESH_S:
            entry, revision = await self.journal.read(key)
            if entry is None or entry.owner != self.owner or entry.state is not State.INTENDED:
                raise EffectUnknownError("another attempt has taken over")
        try:
            async with asyncio.timeout(max(0.0, self._left_s())):
                result = await perform(key)
        except EffectRefusedError:
            await self._note(key, State.REFUSED, None, revision)
            raise
        except Exception as error:
            with suppress(ConflictError, StateUnavailableError):
                await self.journal.write(key, Entry(state=State.UNKNOWN, owner=self.owner), revision)
            raise EffectUnknownError("the target gave no answer") from error
        return cast("R", await self._note(key, State.DONE, result, revision))

    async def _intend(self, key: str) -> int:
        """Write that this attempt, and no other, is about to; return the entry's revision.

        Raises:
            EffectRefusedError, EffectUnknownError: What an earlier attempt came to.
            StateUnavailableError: The journal does not answer.
            _Found: An earlier attempt's end.
        """
        mine = Entry(state=State.INTENDED, owner=self.owner)
        with suppress(ConflictError, StateUnavailableError):
            return await self.journal.write(key, mine, 0)
        for _ in range(_ATTEMPTS):
            entry, revision = await self.journal.read(key)
            if entry == mine:
                # Written, and only the acknowledgement was lost.
                return revision
            if entry is None:
                with suppress(ConflictError):
                    return await self.journal.write(key, mine, 0)
                # Refused, so there is one: a copy that lags was read.
                await asyncio.sleep(_PAUSE_S / 4)
                continue
            if entry.state is not State.INTENDED:
                raise _Found(entry)
            with suppress(ConflictError):
                await self.journal.write(key, replace(entry, state=State.UNKNOWN), revision)
                raise EffectUnknownError("an earlier attempt may have had its effect")
        raise StateUnavailableError("the journal kept changing")

    async def _note(self, key: str, state: State, result: Any, revision: int) -> Any:
        """Write down what became of the effect; return the result that stands."""
        try:
            await self.journal.write(key, Entry(state=state, owner=self.owner, result=result), revision)
        except ConflictError:
            entry, _ = await self.journal.read(key)
            return _known(entry) if entry is not None else result
        except StateUnavailableError:
            # It is known here all the same; a later attempt asks again, or can't tell.
            return result
        return result

    def _left_s(self) -> float:
        return (self.deadline - self.now()).total_seconds() - _MARGIN_S


class _Found(Exception):  # noqa: N818 - it ends a search
    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.state)
        self.entry = entry


def _known(entry: Entry) -> Any:
    if entry.state is State.DONE:
        return entry.result
    if entry.state is State.REFUSED:
        raise EffectRefusedError("an earlier attempt was refused")
    raise EffectUnknownError("nobody can tell what became of an earlier attempt")


class BucketJournal:
    """The journal of one skill in the bucket SKILL_EFFECTS; entries are kept for as long as the bucket keeps them.

    Keys are <skill_id>.<idempotency key>.<effect>; the idempotency key begins with the household, so that purging
    $KV.SKILL_EFFECTS.*.<household>.> erases one.
    """

    def __init__(self, bucket: KeyValue, skill_id: str) -> None:
        self._bucket = bucket
        self._skill_id = token(skill_id)

    async def read(self, key: str) -> tuple[Entry | None, int]:
        """See Journal."""
        try:
            found = await self._bucket.get(f"{self._skill_id}.{key}")
        except KeyNotFoundError:
            return None, 0
        except (NatsError, JetStreamError, OSError) as error:
            raise StateUnavailableError(f"the journal can't be read: {type(error).__name__}") from error
        kept = json.loads(found.value or b"{}")
        entry = Entry(state=State(kept["state"]), owner=kept["owner"], result=kept.get("result"))
        return entry, found.revision or 0

    async def write(self, key: str, entry: Entry, revision: int) -> int:
        """See Journal."""
        value = json.dumps(
            {"state": entry.state, "owner": entry.owner, "result": entry.result},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        try:
            return await self._bucket.update(f"{self._skill_id}.{key}", value, last=revision)
        except KeyWrongLastSequenceError as error:
            raise ConflictError("another attempt has written") from error
        except (NatsError, JetStreamError, OSError) as error:
            raise StateUnavailableError(f"the journal can't be written: {type(error).__name__}") from error


class MemoryJournal:
    """A journal in memory, for tests and for trying a skill without a bus."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Entry, int]] = {}

    async def read(self, key: str) -> tuple[Entry | None, int]:
        """See Journal."""
        return self.entries.get(key, (None, 0))

    async def write(self, key: str, entry: Entry, revision: int) -> int:
        """See Journal."""
        if self.entries.get(key, (None, 0))[1] != revision:
            raise ConflictError("another attempt has written")
        self.entries[key] = entry, revision + 1
        return revision + 1
