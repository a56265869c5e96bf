"""Turns whose owners die at the protocol's own points, in one run; each test then looks at one turn's trace.

One after the other, and not the same stage twice in a row: a process that dies takes down everything that it owns, and
this is about what one trace tells of one death. (All of it at once is `chaos`.)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx

from chaos.codewords import LOCALES
from chaos.gatekeeping import Ambush, Gatekeeper
from chaos.lines import ECHO, line
from chaos.phases import Board
from chaos.schedule import Kind
from chaos.speaking import Speaker
from chaos.system import device_settings
from earshot_local.stack import Stack
from support.browsing import browser

AMBUSHES: Final = {
    "asr killed": Ambush("frame", Kind.KILL),
    "nlu killed": Ambush("publish turn.interpreted", Kind.KILL),
    "dialogue killed": Ambush("claim outcome", Kind.KILL),
    "tts killed": Ambush("speech", Kind.KILL),
    "skill killed": Ambush("call echo", Kind.KILL),
    "asr frozen": Ambush("frame", Kind.FREEZE),
    "nlu killed before its ack": Ambush("ack nlu", Kind.KILL),
    "skill frozen": Ambush("call echo", Kind.FREEZE),
}
PATIENT: Final = {
    "EARSHOT_ASR_DEADLINE_S": "30",
    "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": "30",
    "EARSHOT_TTS_STALE_S": "120",
    # Everything that is said is sent at once.
    "EARSHOT_TTS_LEAD_S": "60",
    "EARSHOT_TRACESTORE_SETTLED_AFTER_S": "1.5",
}
PATIENT_DEVICE: Final = {"answer_timeout_s": 40.0, "segment_timeout_s": 30.0, "speech_timeout_s": 30.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A turn's trace as the trace store tells it, and who was hit."""

    turn: dict[str, Any]
    spans: list[dict[str, Any]]
    marks: list[dict[str, Any]]
    victim: str

    def kinds(self, name: str) -> list[str]:
        """Return the kinds of the marks on spans of a name, in order."""
        return [mark["kind"] for mark in self.marks if mark["name"] == name]

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the spans of a name, by start."""
        return [span for span in self.spans if span["name"] == name]


async def traces_of(system: Stack, keeper: Gatekeeper) -> dict[str, Traced]:
    """Let a device for each ambush speak one turn; return the traces by what happened."""
    speakers = {}
    for number, (name, ambush) in enumerate(AMBUSHES.items()):
        settings = device_settings(
            system, number, LOCALES[number % 2], capture_speed=4.0, playback_speed=20.0, **PATIENT_DEVICE
        )
        keeper.lay(settings.device_id, ambush)
        said = line(ECHO, settings.locale, seconds=1.0, seed=number, pause_s=0.0, by=settings.device_id)
        speakers[name] = Speaker(settings, Board(), iter([said]))
        # Whoever was hit before is back: one that has just begun to listen can't tell how others' attempts ended.
        await system.ready(30)
        await speakers[name].converse(asyncio.Event(), 0.0)
    async with browser(base_url=system.traces_url) as client:
        found = await asyncio.gather(*(_trace(client, speaker) for speaker in speakers.values()))
    victims = {speaker: inflicted.target.split()[0] for speaker, _, inflicted in keeper.sprung}
    return {
        name: Traced(**told, victim=victims.get(speaker.name, ""))
        for (name, speaker), told in zip(speakers.items(), found, strict=True)
    }


async def _trace(client: httpx.AsyncClient, speaker: Speaker) -> dict[str, Any]:
    """Wait until a turn's trace has not grown for longer than exporters and frozen processes wait."""
    [turn] = speaker.turns
    found: dict[str, Any] = {}
    count, quiet = 0, 0
    async with asyncio.timeout(30):
        while quiet < 16:
            found = (await client.get(f"/api/turns/{turn.turn_id}")).json()
            quiet = quiet + 1 if len(found["spans"]) == count else 0
            count = len(found["spans"])
            await asyncio.sleep(0.2)
    return found
