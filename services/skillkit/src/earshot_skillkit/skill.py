"""The base of every skill: handlers marked with their intents, and what the runtime lends them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from earshot_skillkit.errors import BrokenSkillError
from earshot_skillkit.manifest import REPLY, Manifest
from earshot_skillkit.replies import Reply, Step
from earshot_skillkit.request import Request
from earshot_skillkit.schedules import Schedules
from earshot_skillkit.states import States
from earshot_skillkit.words import Words

Result = Awaitable[Reply] | AsyncIterator[Step]
Handler = Callable[[Request], Result]
F = TypeVar("F", bound=Callable[..., Awaitable[Reply] | AsyncIterator[Step]])

_MARK = "__earshot_intents__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the runtime lends a skill.

    Attributes:
        states: What the skill keeps for each household.
        schedules: Timers and alarms, which the scheduler keeps.
        words: What households call their things, for recognition and understanding.
        now: The present moment, aware, in UTC.
    """

    states: States
    schedules: Schedules
    words: Words
    now: Callable[[], datetime]


def intent(*names: str) -> Callable[[F], F]:
    """Mark a method as the handler of intents, named as in the manifest.

    The method is `async def` and returns an Answer or a Question, or it is an async generator that yields fillers and
    answers, the last one final.
    """

    def mark(method: F) -> F:
        setattr(method, _MARK, names)
        return method

    return mark


class Skill:
    """Base of a skill: one object a process, called for many turns at once.

    Args:
        host: What the runtime lends.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    async def start(self) -> None:
        """Open what the handlers need; called once, before the first call."""

    async def stop(self) -> None:
        """Close it; called once, after the last call."""


def handlers_of(skill: Skill, manifest: Manifest) -> Mapping[str, Handler]:
    """Return the handler of every intent; one of replies has none.

    Raises:
        BrokenSkillError: An intent has no handler or two, or a handler is for an intent that the manifest lacks.
    """
    handlers: dict[str, Handler] = {}
    for attribute in dir(type(skill)):
        for name in getattr(getattr(type(skill), attribute), _MARK, ()):
            if name not in manifest.intents:
                raise BrokenSkillError(f"{attribute} handles {name!r}, which is not an intent of the manifest")
            if name in handlers:
                raise BrokenSkillError(f"two methods handle {name!r}")
            handlers[name] = getattr(skill, attribute)
    for name in manifest.intents:
        if name not in handlers and name != REPLY:
            raise BrokenSkillError(f"nothing handles {name!r}")
    return handlers
