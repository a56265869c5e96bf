"""The recogniser as a process with sherpa-onnx, composed from its settings, on a network that understands tones."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from earshot.device.v1 import downstream_pb2
from support.hearing import device, frames_of
from support.nats import nats_server
from support.transducer import make_model, tones


async def test_an_utterance_is_heard_and_ended_by_the_engine(tmp_path: Path) -> None:
    """The engine's words reach the transcript, its silence ends the utterance, and SIGTERM ends it and its processes."""
    model = make_model(tmp_path / "tones")
    said = frames_of(np.frombuffer(tones("▁TURN", "▁ON", "开", "灯", after=2.5), np.int16))
    async with nats_server(tmp_path / "nats") as server, device(server) as heard:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "earshot_asr"),
            env=os.environ
            | {
                "EARSHOT_NATS_URL": server.url,
                "EARSHOT_ASR_ENGINE": "sherpa",
                "EARSHOT_ASR_SHERPA_MODEL": str(model),
                "EARSHOT_ASR_VAD": "engine",
                "EARSHOT_ASR_WORKERS": "1",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            turn = await heard.begin()
            for sequence, payload in enumerate(said):
                await heard.send(turn, sequence, payload)
                if heard.of(turn, "endpoint"):
                    break
                await asyncio.sleep(0.005)
            event = await heard.result(turn, 30)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10) == 0
        finally:
            if process.returncode is None:
                process.kill()
    assert event.alternatives[0].transcript == "turn on开等"
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_SILENCE
    assert event.engine == "sherpa/2.0.1+tones"


@pytest.mark.parametrize(
    ("properties", "missing", "line"),
    [
        ({}, "decoder-tones.onnx", "asr: model_missing: the model in "),
        ({"num_heads": ""}, "", "asr: model_unusable: sherpa-onnx can not use the model in "),
    ],
)
async def test_a_broken_model_ends_the_start_with_one_line(
    tmp_path: Path, properties: dict[str, str], missing: str, line: str
) -> None:
    """Files that lack or can't be used, whoever finds it out, end the process at once with one line that says so."""
    model = make_model(tmp_path / "tones", **properties)
    if missing:
        (model / missing).unlink()
    async with nats_server(tmp_path / "nats") as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "earshot_asr"),
            env=os.environ
            | {
                "EARSHOT_NATS_URL": server.url,
                "EARSHOT_ASR_ENGINE": "sherpa",
                "EARSHOT_ASR_SHERPA_MODEL": str(model),
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 1
    # gRPC remarks on every process that is started beside its threads.
    (only,) = (line for line in errors.decode().splitlines() if "fork_posix" not in line)
    assert only.startswith(line)
