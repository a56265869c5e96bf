"""The earshot command against a running stack, as people use it in another terminal."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from earshot_audio import write_wav
from earshot_local.stack import Stack
from support.speech import SAMPLE_RATE, synthesise

EARSHOT = Path(sys.executable).with_name("earshot")
FASTER = {"EARSHOT_DEVICE_CAPTURE_SPEED": "4", "EARSHOT_DEVICE_PLAYBACK_SPEED": "20"}


async def earshot(stack: Stack, *arguments: str) -> tuple[int, Any]:
    """Run a command with --json; return its exit code and its document."""
    process = await asyncio.create_subprocess_exec(
        str(EARSHOT),
        *arguments,
        "--json",
        env=os.environ | {"EARSHOT_HOME": str(stack.home.root)} | FASTER,
        stdout=subprocess.PIPE,
    )
    stdout, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(stdout)


def size(path: str) -> int:
    """Return a file's length."""
    return Path(path).stat().st_size


async def test_the_demonstration_is_right(stack: Stack) -> None:
    """What `make run` speaks is understood and answered in both locales, heard, kept as WAV, and traced to the device."""
    code, document = await earshot(stack, "demo", "--once")
    assert [turn["wrong"] for turn in document["turns"]] == [""] * 4
    assert code == 0
    # Of what is spoken faster than by people a busy recogniser may have nothing to say before the end.
    assert any(turn["interim"] for turn in document["turns"])
    for turn in document["turns"]:
        assert size(turn["answer_wav"]) > 10_000
        services = {span["service"].removeprefix("earshot-") for span in turn["spans"]}
        assert {"device", "asr", "nlu", "dialogue", "tts"} <= services
        assert [span["name"] for span in turn["spans"] if not span["parent_span_id"]] == ["voice.turn"]


async def test_a_recording_is_played_listed_and_traced(stack: Stack, tmp_path: Path) -> None:
    """A WAV file goes the way that speech goes; it shows in its device's turns, and is traced by the end of its id."""
    recording, answer = tmp_path / "recording.wav", tmp_path / "answer.wav"
    write_wav(synthesise("play some jazz", "en-US"), SAMPLE_RATE, recording)
    code, played = await earshot(stack, "device", "play", str(recording), "--device", "attic", "--out", str(answer))
    assert (code, played["kind"], played["slots"]) == (0, "answered", {"genre": "jazz"})
    assert size(played["answer_wav"]) == size(str(answer)) > 10_000
    _, listed = await earshot(stack, "turns", "--device", "attic")
    assert [(turn["turn_id"], turn["state"]) for turn in listed["turns"]] == [(played["turn_id"], "answered")]
    _, traced = await earshot(stack, "trace", played["turn_id"][-12:])
    assert traced["turn"]["trace_id"] == played["trace_id"]
    assert traced["turn"]["first_audio_ns"] is not None


async def test_text_is_answered(stack: Stack) -> None:
    """A typed turn is answered in its locale and leaves a trace of its own."""
    _, english = await earshot(stack, "ask", "what time is it in Tokyo")
    assert (english["intent"], english["slots"]) == ("clock.get_time", {"city": "Tokyo"})
    _, mandarin = await earshot(stack, "ask", "现在几点了")
    assert mandarin["intent"] == "clock.get_time"
    assert "现在" in mandarin["answer"]


async def test_what_is_not_answered_says_why(stack: Stack, tmp_path: Path) -> None:
    """A turn in which nobody speaks is rejected, with its reason and exit code 1; a locale that nobody speaks names those."""
    recording = tmp_path / "silence.wav"
    write_wav(np.zeros(SAMPLE_RATE, np.int16), SAMPLE_RATE, recording)
    code, silent = await earshot(stack, "device", "play", str(recording), "--device", "attic")
    assert (code, silent["kind"], silent["reason"]["code"]) == (1, "rejected", "no_speech")
    code, refused = await earshot(stack, "device", "play", str(recording), "--locale", "de-DE")
    assert (code, refused["error"]["code"]) == (1, "unknown_locale")
    assert "en-US" in refused["error"]["message"]
    assert "zh-CN" in refused["error"]["message"]
