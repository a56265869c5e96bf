"""What a household calls its things, told to recognition and understanding: "sourdough" is a name for a timer here.

A skill learns a word when the household has used it. From the next utterance of this household on it is a value of the
list that the skill names, as if the sentences had listed it: recognition knows it, understanding finds it where something
sounds or looks like it. Of other households' utterances it is nothing. Per skill and household the latest 64 count.

Keys are <household>.<skill_id>; purging $KV.HOUSEHOLD_WORDS.<household>.> erases a household in every skill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from earshot_registry import HouseholdWord, words
from earshot_registry import InvalidWordError as _Refused
from earshot_skillkit.errors import InvalidWordError, StateConflictError, StateUnavailableError
from earshot_topology.subjects import token

_ATTEMPTS = 16
# A turn waits for it.
_LONGEST_S = 1.0

_Kept = tuple[HouseholdWord, ...]


class Words(Protocol):
    """The words that one skill has of households."""

    async def learn(self, household_id: str, list_name: str, text: str, *, locale: str) -> None:
        """Have a word be known as a value of a list of the skill's sentences, before all that were learnt earlier.

        Raises:
            InvalidWordError: Nobody may call anything so; code word_empty, word_too_long or word_malformed.
            StateConflictError: Others kept changing the words.
            StateUnavailableError: The bus does not answer; the word may or may not be known.
        """

    async def forget(self, household_id: str, list_name: str, text: str, *, locale: str) -> None:
        """Have a word be known no more; one that is not known is no error.

        Raises:
            InvalidWordError: As `learn`.
            StateConflictError: As `learn`.
            StateUnavailableError: As `learn`.
        """

    async def known(self, household_id: str) -> Iterable[HouseholdWord]:
        """Return the words that are known, the latest first.

        Raises:
            StateUnavailableError: The bus does not answer.
        """


class BucketWords:
    """Words in the bucket HOUSEHOLD_WORDS.

    Args:
        bucket: The bucket.
        skill_id: Whose words they are.
    """

    def __init__(self, bucket: KeyValue, skill_id: str) -> None:
        self._bucket = bucket
        self._skill_id = token(skill_id)

    async def learn(self, household_id: str, list_name: str, text: str, *, locale: str) -> None:
        """See Words."""
        word = _checked(self._skill_id, list_name, text, locale)
        await self._change(household_id, lambda kept: _with(kept, word))

    async def forget(self, household_id: str, list_name: str, text: str, *, locale: str) -> None:
        """See Words."""
        word = _checked(self._skill_id, list_name, text, locale)
        await self._change(household_id, lambda kept: _without(kept, word))

    async def known(self, household_id: str) -> _Kept:
        """See Words."""
        return (await self._read(self._key(household_id)))[0]

    async def _change(self, household_id: str, change: Callable[[_Kept], _Kept]) -> None:
        key = self._key(household_id)
        try:
            async with asyncio.timeout(_LONGEST_S):
                for _ in range(_ATTEMPTS):
                    kept, revision = await self._read(key)
                    changed = change(kept)
                    if changed == kept or await self._write(key, words.written(changed), revision):
                        return
        except TimeoutError as error:
            raise StateUnavailableError("the words can't be written: nobody answered in time") from error
        raise StateConflictError(f"words were changed by others {_ATTEMPTS} times")

    async def _read(self, key: str) -> tuple[_Kept, int]:
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as error:
            return (), getattr(error.entry, "revision", None) or 0
        except (NatsError, JetStreamError, OSError) as error:
            raise StateUnavailableError(f"the words can't be read: {type(error).__name__}") from error
        return words.read(entry.value or b"", self._skill_id)[0], entry.revision or 0

    async def _write(self, key: str, value: bytes, revision: int) -> bool:
        try:
            await self._bucket.update(key, value, last=revision)
        except KeyWrongLastSequenceError:
            return False
        except (NatsError, JetStreamError, OSError) as error:
            raise StateUnavailableError(f"the words can't be written: {type(error).__name__}") from error
        return True

    def _key(self, household_id: str) -> str:
        return f"{token(household_id)}.{self._skill_id}"


class MemoryWords:
    """Words in memory, for tests and for trying a skill without a bus."""

    def __init__(self, skill_id: str = "skill") -> None:
        self._skill_id = skill_id
        self._kept: dict[str, _Kept] = {}

    async def learn(self, household_id: str, list_name: str, text: str, *, locale: str) -> None:
        """See Words."""
        word = _checked(self._skill_id, list_name, text, locale)
        self._kept[household_id] = _with(await self.known(household_id), word)

    async def forget(self, household_id: str, list_name: str, text: str, *, locale: str) -> None:
        """See Words."""
        word = _checked(self._skill_id, list_name, text, locale)
        self._kept[household_id] = _without(await self.known(household_id), word)

    async def known(self, household_id: str) -> _Kept:
        """See Words."""
        return self._kept.get(household_id, ())


def _checked(skill_id: str, list_name: str, text: str, locale: str) -> HouseholdWord:
    try:
        return words.checked(HouseholdWord(skill_id=skill_id, list_name=list_name, locale=locale, text=text))
    except _Refused as error:
        raise InvalidWordError(str(error), code=error.code) from error


def _with(kept: _Kept, word: HouseholdWord) -> _Kept:
    return (word, *_without(kept, word))[: words.MOST_WORDS]


def _without(kept: _Kept, word: HouseholdWord) -> _Kept:
    return tuple(one for one in kept if one != word)
