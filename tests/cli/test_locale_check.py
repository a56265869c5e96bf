"""A locale that is asked for is looked up where a voice can be asked."""

from __future__ import annotations

from pathlib import Path

from earshot_cli.commands.device import _check
from earshot_cli.stackfinder import Target
from earshot_local.home import Home, Running


async def test_a_recording_takes_no_voice(tmp_path: Path) -> None:
    """While TTS is being replaced, nobody can tell whether a locale is spoken, and the recording is played."""
    away = Running(pid=1, nats_url="", traces_url="", otlp_endpoint="", grpc={"tts": "dns:///127.0.0.1:1"}, http={})
    await _check(Target(home=Home(tmp_path), running=away), "en-US")
