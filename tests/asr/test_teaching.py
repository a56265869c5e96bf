"""What the skills register reaches the engine at once, the first before anything is heard."""

from __future__ import annotations

import asyncio

import pytest

from earshot_asr.engines.base import Vocabulary
from earshot_asr.teaching import Teacher
from support.recognition import DigestEngine


class SlowEngine(DigestEngine):
    """Takes as long for each vocabulary as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[int] = []
        self.made = asyncio.Event()

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Note what is wanted and make it."""
        self.wanted.append(vocabulary.revision)
        await self.made.wait()
        if vocabulary.revision == 3:
            raise ValueError("a skill without a sentence")


async def test_the_first_is_waited_for_and_the_others_reach_the_engine_while_one_is_made() -> None:
    """Nothing is heard before the first vocabulary is in force; later ones are handed over though others are under way."""
    engine = SlowEngine()
    teacher = Teacher(engine)
    first = asyncio.create_task(teacher.teach(Vocabulary(revision=1)))
    await asyncio.sleep(0)
    assert not first.done()
    engine.made.set()
    await first
    engine.made.clear()
    for revision in (2, 3, 4):
        await teacher.teach(Vocabulary(revision=revision))
    await asyncio.sleep(0)
    assert engine.wanted == [1, 2, 3, 4]
    engine.made.set()
    await asyncio.sleep(0)
    await teacher.teach(Vocabulary(revision=5))
    await teacher.stop()
    assert engine.wanted[:4] == [1, 2, 3, 4]


async def test_what_the_first_lacks_is_told() -> None:
    """Whoever waits for the first vocabulary is told why there is none."""
    slow = SlowEngine()
    slow.made.set()
    with pytest.raises(ValueError, match="without a sentence"):
        await Teacher(slow).teach(Vocabulary(revision=3))
