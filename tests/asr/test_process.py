"""The recogniser as a process: composed from its settings, with the real detector, and an end without loss."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from earshot.device.v1 import downstream_pb2
from support.hearing import TestDevice, device, frames_of
from support.nats import nats_server
from support.recognition import silence
from support.speech import synthesise


async def test_a_process_hears_and_finishes_what_it_has_begun(tmp_path: Path) -> None:
    """An utterance in progress at SIGTERM is transcribed before the process ends."""
    recordings = tmp_path / "recordings.json"
    recordings.write_text(json.dumps({"constant": {"en-US": "what time is it"}}))
    said = frames_of(np.concatenate([synthesise("what time is it", "en-US"), silence(1.5)]))
    async with nats_server(tmp_path / "nats") as server, device(server) as heard:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "earshot_asr"),
            env=os.environ
            | {
                "EARSHOT_NATS_URL": server.url,
                "EARSHOT_ASR_ENGINE": "recorded",
                "EARSHOT_ASR_RECORDINGS": str(recordings),
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        turn = await heard.begin()
        await _say(heard, turn, said[:20], 0)
        await heard.wait(lambda: heard.of(turn, "speech_started"), 20)
        process.send_signal(signal.SIGTERM)
        await _say(heard, turn, said[20:], 20)
        event = await heard.result(turn)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    assert event.alternatives[0].transcript == "what time is it"
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_SILENCE
    assert event.engine == "recorded/1"


async def _say(heard: TestDevice, turn: str, payloads: list[bytes], first: int) -> None:
    for sequence, payload in enumerate(payloads, first):
        await heard.send(turn, sequence, payload)
    await heard.client.flush()
