"""Tries a skill without bus or network: words in, the skill's answer out.

The words go through the skill's own sentence templates, as NLU would match them. Slots of type text and number get
their values from that; a date_time or duration slot is normalised by NLU, not here, so its value is given by the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Self

from hassil import recognize_best
from hassil.models import MatchEntity

from earshot.common.v1 import turn_pb2
from earshot.skill.v1 import skill_pb2
from earshot_skillkit import wire
from earshot_skillkit.dispatch import Dispatcher
from earshot_skillkit.effects import MemoryJournal
from earshot_skillkit.package import SkillPackage
from earshot_skillkit.replies import Answer, Question, Step
from earshot_skillkit.request import DeviceState, FilledSlot, SlotValue
from earshot_skillkit.scheduler_memory import MemoryScheduler
from earshot_skillkit.schedules import Scheduler, Schedules
from earshot_skillkit.skill import Host, Skill, handlers_of
from earshot_skillkit.states import MemoryStates, States
from earshot_skillkit.words import MemoryWords, Words


class NotUnderstoodError(AssertionError):
    """None of the skill's sentences matches the words."""


class SkillTester:
    """One skill, held by a test; `async with` starts and stops it.

    Args:
        package: From `load_package` or `load_folder`.
        build: Makes the skill; usually its class.
        now: The frozen moment, aware.
        time_zone: Of the device, an IANA name.
        states: What the skill keeps.
        words: What households call their things; default: a MemoryWords.
        scheduler: Who keeps its timers and alarms; default: a MemoryScheduler, for which `now` is the time.

    Attributes:
        now: The frozen moment; a test may set it to a later one, with which timers become due.
        scheduler: Who keeps its timers and alarms.
        words: What households call their things.
        device: The device as the skill is told that it was last known; None: nothing is known.
        journal: The effects of its calls.
    """

    def __init__(
        self,
        package: SkillPackage,
        build: Callable[[Host], Skill],
        *,
        now: datetime | None = None,
        time_zone: str = "UTC",
        states: States | None = None,
        scheduler: Scheduler | None = None,
        words: Words | None = None,
    ) -> None:
        self.package = package
        self.now = now or datetime.now(UTC)
        self.time_zone = time_zone
        self.states = states or MemoryStates()
        self.scheduler = scheduler or MemoryScheduler(lambda: self.now)
        self.words = words or MemoryWords(package.manifest.id)
        self.skill = build(
            Host(states=self.states, schedules=Schedules(self.scheduler), words=self.words, now=lambda: self.now)
        )
        self._dispatcher = Dispatcher(
            handlers_of(self.skill, package.manifest), timeout_s=package.manifest.timeout_s, now=lambda: self.now
        )
        self.device: DeviceState | None = None
        self.journal = MemoryJournal()
        self._turns = 0
        self._attempt = 0
        self._repeating = False

    async def __aenter__(self) -> Self:
        await self.skill.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.skill.stop()

    def understand(self, words: str, locale: str) -> tuple[str, dict[str, FilledSlot]]:
        """Return the intent and the slots that the skill's sentences find in the words.

        Raises:
            NotUnderstoodError: None matches.
        """
        result = recognize_best(words, self.package.words[locale].intents)
        if result is None:
            raise NotUnderstoodError(f"{self.package.manifest.id} does not understand {words!r} in {locale}")
        return result.intent.name, {name: _filled(entity) for name, entity in result.entities.items()}

    async def say(self, words: str, *, locale: str = "en-US", **normalised: SlotValue) -> str:
        """Return what the skill says to the words.

        Args:
            words: As the user says them.
            locale: BCP-47.
            normalised: Values of slots as NLU normalises them.

        Raises:
            NotUnderstoodError: None of the skill's sentences matches.
        """
        intent, slots = self.understand(words, locale)
        for name, value in normalised.items():
            slots[name] = FilledSlot(text=slots[name].text if name in slots else str(value), value=value)
        return text_of(await self.call(intent, locale=locale, **slots))

    async def call(self, intent: str, *, locale: str = "en-US", **slots: FilledSlot | SlotValue) -> list[Step]:
        """Call an intent over the contract's own messages and return all steps of the answer.

        Args:
            intent: Without the skill's id.
            locale: BCP-47.
            slots: A value alone was said in the words that it prints as.
        """
        if not self._repeating:
            self._turns += 1
            self._attempt = 0
        self._attempt += 1
        message = skill_pb2.HandleRequest(
            turn=turn_pb2.TurnContext(
                turn_id=f"turn-{self._turns}",
                household_id="household",
                device_id="device",
                session_id="session",
                locale=locale,
                time_zone=self.time_zone,
            ),
            intent=intent,
            slots=[
                wire.slot(name, slot.text, slot.value)
                if isinstance(slot, FilledSlot)
                else wire.slot(name, str(slot), slot)
                for name, slot in slots.items()
            ],
            idempotency_key=f"household.device.turn-{self._turns}.0",
            attempt=self._attempt,
            deadline_time=wire.timestamp(self.now + timedelta(seconds=8)),
        )
        request = wire.request(message, self.package, journal=self.journal, now=self.now)
        guard = replace(request.guard, now=lambda: self.now)
        request = replace(request, device=self.device, guard=guard)
        return [step async for step in self._dispatcher.dispatch(request)]

    @contextmanager
    def repeating(self) -> Iterator[None]:
        """Have calls be further attempts of the last one, as when a replica died before its answer was heard."""
        self._repeating = True
        try:
            yield
        finally:
            self._repeating = False


def _filled(entity: MatchEntity) -> FilledSlot:
    value = float(entity.value) if isinstance(entity.value, int | float) else str(entity.value).strip()
    return FilledSlot(text=entity.text.strip(), value=value)


def text_of(steps: list[Step]) -> str:
    """Return the words of an answer or a question, fillers left out."""
    texts: list[str] = []
    for step in steps:
        if isinstance(step, Answer):
            texts += [prompt.text for prompt in step.prompts]
        elif isinstance(step, Question):
            texts.append(step.prompt.text)
    return " ".join(texts)
