"""From the end of speech to the first sound of the answer, with the real engines, as a user hears it.

Usage: python -m bench.voice [--rounds N]

Devices speak synthesised commands in real time; the clock runs from the last sample of speech, as the recogniser places
it, to the first sample of the answer leaving the device. The split is read from each turn's trace. Then the endpointer is
given commands with a pause of 500 ms in their middle: one that ends in that pause was cut. The floor is the sum of a
spoken turn's raw hops in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from numpy.typing import NDArray

from bench import floor as raw
from bench.results import machine, percentile, table, write
from bench.turn import HOPS
from earshot.asr.v1 import recognizer_pb2, recognizer_pb2_grpc
from earshot.common.v1 import audio_pb2
from earshot_chassis.rpc_client import connect
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry
from earshot_device import OutcomeKind, TurnResult
from earshot_local.stack import Stack
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress
from support.stack import SPEECH_RATE, device, speech

# All devices are one household's.
ENVIRONMENT = {
    "EARSHOT_LOG_LEVEL": "warning",
    "EARSHOT_ASR_QUOTA_UTTERANCES": "0",
    "EARSHOT_ASR_QUOTA_CONCURRENT": "0",
    "EARSHOT_ASR_QUOTA_BYTES": "0",
}
COMMANDS = {
    "en-US": {
        "what time is it in Tokyo": "clock.get_time",
        "what's the date today": "clock.get_date",
        "what's the weather in Paris tomorrow": "weather.get_forecast",
        "play some jazz": "music.play",
    },
    "zh-CN": {
        "现在几点了": "clock.get_time",
        "今天几号": "clock.get_date",
        "巴黎明天天气怎么样": "weather.get_forecast",
        "播放爵士乐": "music.play",
    },
}
# Commands in two breaths.
BREATHS = {
    "en-US": (
        ("what time is it", "in Tokyo"),
        ("what's the weather", "in Paris tomorrow"),
        ("will it rain", "in London on Friday"),
        ("play some", "relaxing jazz"),
        ("set the volume", "to thirty percent"),
        ("what day is it", "in Sydney"),
        ("how warm is it", "in Berlin now"),
        ("play the song", "blue evening"),
    ),
    "zh-CN": (
        ("东京现在", "几点了"),
        ("巴黎明天", "天气怎么样"),
        ("明天伦敦", "会下雨吗"),
        ("请播放", "爵士乐"),
        ("把音量", "调到三十"),
        ("柏林今天", "是星期几"),
        ("上海现在", "气温多少"),
        ("我想听", "安静的音乐"),
    ),
}
_PAUSE_S = 0.5
_NOISE = 22.0  # standard deviation in 16-bit steps, about -63 dBFS

Samples = NDArray[np.int16]
# A turn and the intent that it should have had.
Spoken = tuple[TurnResult, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """One answered turn, seconds."""

    first_audio: float
    silence: float
    recognition: float
    synthesis: float

    @property
    def platform(self) -> float:
        """What is neither waiting for silence, nor recognition, nor synthesis."""
        return max(0.0, self.first_audio - self.silence - self.recognition - self.synthesis)


def noise(seconds: float, seed: int) -> Samples:
    """Return the noise of a quiet room."""
    drawn = np.random.default_rng(seed).normal(0, _NOISE, int(seconds * SPEECH_RATE))
    return drawn.astype(np.int16)


def trimmed(samples: Samples) -> Samples:
    """Return samples without the silence at both ends."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    return samples[loud[0] : loud[-1] + 1]


async def speak(stack: Stack, locale: str, count: int, rounds: int, phrases: dict[str, Samples]) -> list[Spoken]:
    """Let `count` devices speak in turn, each `rounds` times."""
    results: list[Spoken] = []

    async def one(index: int) -> None:
        address = DeviceAddress("bench", f"voice-{locale}-{count}-{index}")
        async with device(stack, address, locale, capture_speed=1.0) as speaking:
            # Devices that start in the same millisecond are no household's habit.
            await asyncio.sleep(index * 0.37)
            for round_ in range(rounds):
                text, intent = tuple(COMMANDS[locale].items())[(index + round_) % len(COMMANDS[locale])]
                results.append((await speaking.say(phrases[text]), intent))

    await asyncio.gather(*(one(index) for index in range(count)))
    return results


async def measured(stack: Stack, results: Sequence[Spoken]) -> list[Measured]:
    """Split the turns that were answered rightly by their traces."""
    found = []
    async with httpx.AsyncClient(base_url=stack.traces_url, timeout=10) as client:
        for result, intent in results:
            right = result.kind is OutcomeKind.ANSWERED and result.segments[-1].intent == intent
            if not right or result.first_audio_s is None:
                continue
            spans = (await client.get(f"/api/traces/{result.trace_id}")).json().get("spans", [])
            by_name = {span["name"]: span for span in spans}
            if not {"asr.recognize", "asr.decode", "tts.speak"} <= by_name.keys():
                continue
            asr = by_name["asr.recognize"]["attributes"]
            decode = by_name["asr.decode"]
            found.append(
                Measured(
                    first_audio=result.first_audio_s,
                    silence=asr[attributes.AUDIO_SECONDS] - asr[attributes.END_OF_SPEECH_SECONDS],
                    recognition=(decode["end_ns"] - decode["start_ns"]) / 1e9,
                    synthesis=by_name["tts.speak"]["attributes"].get(attributes.TIME_TO_FIRST_FRAME, 0.0),
                )
            )
    return found


async def cut_share(stack: Stack) -> tuple[int, int]:
    """Return how many commands with a pause were cut in it, and of how many."""
    cut = total = 0
    async with connect(stack.grpc_target("asr")) as channel:
        stub = recognizer_pb2_grpc.RecognizerStub(channel)
        for locale, breaths in BREATHS.items():
            for index, (first, second) in enumerate(breaths):
                opening = trimmed(await speech(stack, first, locale))
                closing = trimmed(await speech(stack, second, locale))
                for seed in range(4):
                    quiet = noise(_PAUSE_S, seed * 100 + index)
                    samples = np.concatenate((noise(0.3, seed), opening, quiet, closing, noise(2.5, seed + 50)))
                    end_s = await endpoint(stub, locale, samples)
                    total += 1
                    # The second breath starts behind this; an end of speech before it (or none) lost the breath.
                    cut += not end_s >= 0.3 + len(opening) / SPEECH_RATE + _PAUSE_S
    return cut, total


async def endpoint(stub: Any, locale: str, samples: Samples) -> float:
    """Return where the recogniser places the end of speech, in seconds."""
    audio = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=SPEECH_RATE, channel_count=1
    )

    async def requests() -> AsyncIterator[recognizer_pb2.RecognizeRequest]:
        config = recognizer_pb2.RecognitionConfig(locale=locale, format=audio)
        yield recognizer_pb2.RecognizeRequest(config=config)
        for start in range(0, len(samples), 640):
            yield recognizer_pb2.RecognizeRequest(audio=samples[start : start + 640].tobytes())

    end_s = float("nan")
    try:
        async for response in stub.Recognize(requests(), timeout=30):
            if response.WhichOneof("response") == "endpoint":
                end_s = response.endpoint.end_of_speech_offset.ToNanoseconds() / 1e9
    except grpc.aio.AioRpcError as error:
        print(f"recognition failed: {error.details()}", file=sys.stderr)
    return end_s


def row(name: str, turns: Sequence[Spoken], split: Sequence[Measured]) -> tuple[object, ...]:
    """Return one line of the table, milliseconds."""

    def milliseconds(values: Sequence[float], share: float = 0.5) -> str:
        return f"{percentile(values, share) * 1e3:.0f}"

    heard = [found.first_audio for found in split]
    return (
        name,
        f"{len(split)}/{len(turns)}",
        milliseconds(heard),
        milliseconds(heard, 0.95),
        milliseconds([found.silence for found in split]),
        milliseconds([found.recognition for found in split]),
        milliseconds([found.platform for found in split]),
        milliseconds([found.synthesis for found in split]),
    )


async def bench(rounds: int) -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(home=Path(folder), env=ENVIRONMENT) as stack:
            await stack.ready()
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.otlp_endpoint
            telemetry = Telemetry("bench", "0", ServiceSettings(log_level="error"))
            telemetry.start()
            floor = await raw.measure(stack.nats_url, stack.creds("admin"))
            floor_ms = sum(getattr(floor, name) for _, name in HOPS)
            rows, splits, spoken = [], {}, 0
            for locale, texts in COMMANDS.items():
                phrases = {text: await speech(stack, text, locale) for text in texts}
                for count in (1, 8):
                    turns = await speak(stack, locale, count, max(1, rounds if count == 1 else rounds // 4), phrases)
                    await asyncio.sleep(1.5)
                    splits[locale, count] = await measured(stack, turns)
                    spoken += len(turns)
                    rows.append(row(f"{locale}, {count} device(s)", turns, splits[locale, count]))
                    print(f"{locale}, {count} device(s): done", file=sys.stderr)
            cut, total = await cut_share(stack)
            telemetry.stop()
    header = ("", "right", "p50", "p95", "silence", "recognition", "platform", "synthesis")
    print(f"{machine()}; floor of the hops {floor_ms:.2f} ms\n")
    print("end of speech to first audio, milliseconds; the split is medians")
    print(table(header, rows))
    print(f"\ncut in a pause of {_PAUSE_S:.1f} s: {cut} of {total}")
    figures: dict[str, float | int | None] = {
        "cut_off": cut / total,
        "floor_p50_ms": floor_ms,
        "spoken": spoken,
        "answered_rightly": sum(len(split) for split in splits.values()),
    }
    for locale, short in (("en-US", "en"), ("zh-CN", "zh")):
        heard = [found.first_audio for found in splits[locale, 1]]
        crowd = [found.first_audio for found in splits[locale, 8]]
        figures |= {
            f"{short}_p50_ms": percentile(heard, 0.5) * 1e3,
            f"{short}_p95_ms": percentile(heard, 0.95) * 1e3,
            f"{short}_p50_ms_8": percentile(crowd, 0.5) * 1e3,
            f"{short}_p95_ms_8": percentile(crowd, 0.95) * 1e3,
        }
    write("bench-voice", figures)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="End of speech to first audio.")
    parser.add_argument("--rounds", type=int, default=12, help="turns of the single device")
    import uvloop  # noqa: PLC0415 - as the services do

    uvloop.run(bench(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
