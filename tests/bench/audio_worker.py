"""The worker under `bench.audio`: the product's own receive path, with an engine that only takes a checksum.

Usage: python -m bench.audio_worker URL (product | floor)

product: ownership of the start event, subscription, backfill, assembly, front end; feeds the engine below.
floor: one bare nats-py subscription to every frame, which looks at its clock and nothing else.

Prints "ready"; on end of input prints one JSON object: CPU seconds between the first and the last frame of the
measured window, latencies in microseconds, frames in the window.
"""

from __future__ import annotations

import asyncio
import gc
import json
import struct
import sys
import time
import zlib
from array import array

import nats
import uvloop
from nats.aio.msg import Msg

from bench.results import percentile
from earshot.device.v1 import upstream_pb2
from earshot_asr.composition import listen
from earshot_asr.engines.base import (
    NO_PHRASES,
    Alternative,
    EngineCapabilities,
    Interim,
    Locale,
    Phrases,
    Recognition,
    Rejection,
    Vocabulary,
)
from earshot_asr.recognition import Recognizer
from earshot_asr.settings import AsrSettings
from earshot_chassis.bus import Bus
from earshot_chassis.settings import ServiceSettings
from earshot_registry import HouseholdWords

STAMP = struct.Struct("<qI")
"""At the start of each frame's samples: monotonic nanoseconds, and 1 inside the measured window."""


class Clock:
    """Latencies and CPU time inside the measured window."""

    def __init__(self) -> None:
        self.latencies = array("d")
        self._first_cpu = self._last_cpu = 0.0
        self._first = self._last = 0

    def note(self, samples: bytes) -> None:
        """Note one frame that has arrived where it is wanted."""
        sent, measured = STAMP.unpack_from(samples)
        if not measured:
            return
        now = time.monotonic_ns()
        self.latencies.append((now - sent) / 1e6)
        # Reading the CPU clock costs more than the rest: now and then is enough.
        if not self._first:
            self._first, self._first_cpu = now, time.process_time()
        elif len(self.latencies) % 500 == 0:
            self._last, self._last_cpu = now, time.process_time()

    def report(self) -> str:
        """Return the figures as JSON."""
        seconds = (self._last - self._first) / 1e9
        return json.dumps(
            {
                "cores": (self._last_cpu - self._first_cpu) / seconds if seconds > 0 else 0.0,
                "p50_ms": percentile(self.latencies, 0.5),
                "p99_ms": percentile(self.latencies, 0.99),
                "frames": len(self.latencies),
            }
        )


class ChecksumEngine:
    """An engine whose transcript is the CRC of all it was fed."""

    capabilities = EngineCapabilities(
        name="checksum",
        revision="1",
        locales=frozenset({Locale("en-US")}),
        interim_results=False,
        dynamic_vocabulary=False,
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def start(self) -> None:
        """Nothing to bring up."""

    async def stop(self) -> None:
        """Nothing to take down."""

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Take none."""

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> ChecksumStream:
        """Begin an utterance."""
        del locale, phrases
        return ChecksumStream(self._clock)


class ChecksumStream:
    """One utterance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sum = 0
        self._bytes = 0

    async def feed(self, pcm: bytes) -> None:
        """Take a frame."""
        self._clock.note(pcm)
        self._sum = zlib.crc32(pcm, self._sum)
        self._bytes += len(pcm)

    async def interim(self) -> Interim | None:
        """Have none."""
        return None

    async def speech_paused(self) -> None:
        """Prepare nothing."""

    async def speech_resumed(self) -> None:
        """Prepare nothing."""

    async def finish(self) -> Recognition:
        """Return the checksum and the number of bytes."""
        return Recognition(
            alternatives=(Alternative(transcript=f"{self._sum:08x}/{self._bytes}", confidence=1.0),),
            rejection=Rejection.NONE,
            engine="checksum/1",
            registry_revision=0,
            audio_duration=self._bytes / 32_000,
        )

    async def close(self) -> None:
        """Hold nothing."""

    async def __aenter__(self) -> ChecksumStream:  # noqa: PYI034 - the Protocol's Self is this class
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def main(url: str, kind: str) -> None:
    """Work until the end of input."""
    clock = Clock()
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if kind == "floor":
        client = await nats.connect(url)

        async def note(message: Msg) -> None:
            clock.note(upstream_pb2.AudioFrame.FromString(message.data).payload)

        await client.subscribe("device.*.*.up.audio.*", cb=note)
        await client.flush()
        print("ready", flush=True)
        await ended
        await client.close()
    else:
        bus = Bus("asr", ServiceSettings(nats_url=url))
        await bus.connect()
        settings = AsrSettings(
            vad="none",
            utterances=10_000,
            maximum_length_s=120,
            utterance_bytes=1 << 30,
            quota_utterances=0,
            quota_concurrent=0,
            quota_bytes=0,
        )
        capture = await listen(
            bus, Recognizer(ChecksumEngine(clock), None, settings.endpointing()), HouseholdWords(bus), settings
        )
        await bus.start()
        # As the service does.
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await ended
        await bus.stop_consuming(1.0)
        await capture.stop()
        await bus.close()
    print(clock.report(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
