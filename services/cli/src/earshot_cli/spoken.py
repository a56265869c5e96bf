"""Spoken turns: a device of the running stack says something, and what came of it is put together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from earshot_audio import write_wav
from earshot_cli import rings
from earshot_cli.keeping import kept_state
from earshot_cli.services import synthesize
from earshot_cli.stackfinder import Target
from earshot_cli.telemetry import flush
from earshot_cli.timezone import local_time_zone
from earshot_cli.traces import TraceClient, Traced
from earshot_cli.turn_document import describe
from earshot_device.core.events import Happening
from earshot_device.core.recognition import Interim, RecognitionUpdate
from earshot_device.core.ringbook import Occurrence
from earshot_device.device import Device
from earshot_device.settings import DeviceSettings
from earshot_device.sound.microphone import Microphone
from earshot_device.sound.sinks import LoudspeakerSink, NullSink
from earshot_device.sound.sources import SampleSource, read_recording
from earshot_device.turns.result import TurnResult
from earshot_local import patience

CAPTURE_RATE = 16_000

Heard = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who speaks, in which locale, and where the answer goes."""

    household: str
    device: str
    locale: str
    out: Path | None = None
    loud: bool = False


class Spoken:
    """An open device and what is needed around it; made by `speaking`."""

    def __init__(self, target: Target, speaker: Speaker, device: Device, traces: TraceClient | None) -> None:
        self._target = target
        self._speaker = speaker
        self._device = device
        self._traces = traces

    async def say(self, text: str, locale: str | None = None) -> dict[str, Any]:
        """Speak words with a synthesised voice, in a locale or the speaker's; return the turn's document (see `describe`)."""
        locale = locale or self._speaker.locale
        samples = await synthesize(self._target.grpc("tts"), text, locale, CAPTURE_RATE)
        return await self._described(text, await self._device.say(samples, CAPTURE_RATE, locale=locale), locale)

    async def play(self, name: str, samples: NDArray[np.int16], rate: int) -> dict[str, Any]:
        """Speak a recording; return the turn's document."""
        return await self._described(name, await self._device.say(samples, rate))

    async def listen(self, microphone: Microphone) -> dict[str, Any]:
        """Take one utterance from a microphone; return the turn's document."""
        return await self._described("", await self._device.listen(microphone))

    @property
    def ringing(self) -> dict[str, Occurrence]:
        """What rings, by its id."""
        return {occurrence.occurrence_id: occurrence for occurrence in self._device.ringing}

    async def dismiss(self) -> None:
        """Stop what rings."""
        await self._device.dismiss()

    async def until_quiet(self, console: Console) -> None:
        """Let media that the turn began play on a loudspeaker until it ends or somebody presses Ctrl-C."""
        for occurrence in self.ringing.values():
            console.print(
                f"rings: {rings.told(occurrence)}; `earshot device wait` lets you hear and stop it", markup=False
            )
        if self._speaker.loud and self._device.state.media_playing:
            console.print("playing; Ctrl-C stops it")
            # Being interrupted is how music ends, not how the command fails.
            with contextlib.suppress(asyncio.CancelledError):
                await self._device.media_idle()

    async def _described(self, said: str, result: TurnResult, locale: str = "") -> dict[str, Any]:
        wav = self._speaker.out or self._target.home.answers / f"{result.turn_id}.wav"
        if len(result.answer):
            await asyncio.to_thread(_write, result.answer, result.answer_rate, wav)
        traced: Traced | None = None
        if self._traces is not None:
            await asyncio.to_thread(flush)
            traced = await self._traces.whole(result.turn_id)
        speaker = replace(self._speaker, locale=locale or self._speaker.locale)
        return describe(said, speaker, result, str(wav) if len(result.answer) else "", traced)


def recording(path: Path) -> tuple[NDArray[np.int16], int]:
    """Return a file's mono int16 samples, shape (n,), and their rate.

    Raises:
        AudioInputError: It can't be read as audio.
        UtteranceRefusedError: There is nothing in it, or its rate is out of range.
    """
    samples, rate = read_recording(path)
    SampleSource(samples, rate)
    return samples, rate


def device_settings(
    target: Target, speaker: Speaker, state: Path | None, environment: Mapping[str, str]
) -> DeviceSettings:
    """Return the settings of a device of a running stack, as patient as its bus asks for.

    Raises:
        InvalidTokenError: The household or device can't be one.
    """
    return DeviceSettings(
        nats_url=target.running.nats_url,
        nats_ca=Path(target.running.nats_ca) if target.running.nats_ca else None,
        household_id=speaker.household,
        device_id=speaker.device,
        credentials=target.device_credentials(speaker.household, speaker.device),
        locale=speaker.locale,
        time_zone=local_time_zone(),
        interim_results=True,
        state_file=state,
        **patience.of_devices(target.running.nodes, environment),  # type: ignore[arg-type]  # each is a number
    )


@asynccontextmanager
async def speaking(
    target: Target, speaker: Speaker, heard: Heard, happened: Callable[[Happening], None] | None = None
) -> AsyncIterator[Spoken]:
    """Open a device of the running stack. Its spans go where `telemetry.exported_to` sends them.

    Args:
        target: The stack.
        speaker: The device.
        heard: Called with each interim transcript as it comes.
        happened: Called with everything that happens on the device.

    Raises:
        DeviceInUseError: Another process is this device.
        LinkLostError: The bus can't be reached.
        AudioOutputError: There is no loudspeaker.
    """

    def observe(update: object) -> None:
        if isinstance(update, RecognitionUpdate) and isinstance(update.update, Interim):
            heard(update.update.transcript)

    async with AsyncExitStack() as opened:
        state = opened.enter_context(kept_state(target.home.root, speaker.household, speaker.device))
        settings = device_settings(target, speaker, state, os.environ)
        traces = TraceClient(target.running.traces_url) if target.running.traces_url else None
        if traces is not None:
            opened.push_async_callback(traces.close)
        sink = LoudspeakerSink() if speaker.loud else NullSink()
        device = await opened.enter_async_context(Device(settings, sink=sink, observe=observe, happened=happened))
        yield Spoken(target, speaker, device, traces)


def _write(samples: NDArray[np.int16], rate: int, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(samples, rate, path)


@asynccontextmanager
async def microphone() -> AsyncIterator[Microphone]:
    """Open the default microphone.

    Raises:
        AudioInputError: There is none.
    """
    opened = Microphone(CAPTURE_RATE)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()
