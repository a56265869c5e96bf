"""The music skill as a process on a real bus: it teaches its library, answers, serves, and goes."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import yaml
from nats.js.errors import KeyDeletedError, KeyNotFoundError, NoKeysError

from earshot.common.v1 import turn_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_topology.streams import SKILL_ENDPOINTS, SKILL_STATES, SKILLS
from support.nats import nats_server
from support.tracks import write_track


async def keys_of(bucket, within_s: float = 20.0) -> list[str]:
    """Wait until a bucket has keys, and return them.

    It is without any before the first entry, and to a reader that comes just while an entry replaces its elder.
    """
    async with asyncio.timeout(within_s):
        while True:
            with suppress(NoKeysError):
                return await bucket.keys()
            await asyncio.sleep(0.05)


async def one_entry(bucket) -> bytes:
    """Wait for the only entry of a bucket and return its value."""
    return (await bucket.get((await keys_of(bucket))[0])).value


async def handle(target: str, intent: str, locale: str = "en-US", *, turn: str = "t1", **slots: str):
    """Call an intent and return its final answer."""
    request = skill_pb2.HandleRequest(
        turn=turn_pb2.TurnContext(turn_id=turn, household_id="h1", device_id="d1", locale=locale),
        intent=intent,
        slots=[
            interpreter_pb2.Slot(name=name, text=text, value=interpreter_pb2.SlotValue(string_value=text))
            for name, text in slots.items()
        ],
        idempotency_key=f"h1.d1.{turn}.0",
    )
    async with connect(target) as channel:
        answers = [response async for response in skill_pb2_grpc.SkillStub(channel).Handle(request, timeout=5)]
    return answers[-1].answer


async def test_the_skill_comes_plays_and_goes(tmp_path: Path) -> None:
    """Its description names the library, a play directive can be fetched, the queue is in KV, SIGTERM withdraws it."""
    write_track(tmp_path / "own" / "x.flac", title="Paper Lantern", artist="Quiet Harbor", genre="Jazz", seconds=1.0)
    async with nats_server(tmp_path / "nats") as server:
        client = await server.connect()
        jetstream = client.jetstream()
        environment = os.environ | {
            "EARSHOT_NATS_URL": server.url,
            "EARSHOT_INSTANCE_ID": "music-0",
            "EARSHOT_HTTP_PORT": "0",
            "EARSHOT_MUSIC_FOLDER": str(tmp_path / "own"),
            "EARSHOT_MUSIC_SAMPLES": "false",
            "OTEL_TRACES_EXPORTER": "none",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "earshot_skill_music", env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            skills = await jetstream.key_value(SKILLS.bucket)
            endpoints = await jetstream.key_value(SKILL_ENDPOINTS.bucket)
            description = skill_pb2.SkillDescription.FromString(await one_entry(skills))
            target = skill_pb2.SkillEndpoint.FromString(await one_entry(endpoints)).target

            english = next(each for each in description.locales if each.locale == "en-US")
            taught = yaml.safe_load(english.sentences_yaml)["lists"]
            assert taught["title"]["values"] == [{"in": "Paper Lantern", "out": "Paper Lantern"}]

            answer = await handle(target, "play", genre="jazz")
            (play,) = (directive.play for directive in answer.directives if directive.HasField("play"))
            assert [item.title for item in play.items] == ["Paper Lantern"]
            assert answer.prompts[0].text == "Here is some jazz."
            assert answer.effect_result == skill_pb2.EFFECT_RESULT_DONE
            async with httpx.AsyncClient(trust_env=False) as http:
                response = await http.get(play.items[0].url, headers={"Range": "bytes=0-3"})
            assert (response.status_code, response.content) == (206, b"fLaC")

            states = await jetstream.key_value(SKILL_STATES.bucket)
            assert await keys_of(states) == ["music.h1.d1.queue"]
            told = await handle(target, "play", "zh-CN", turn="t2", query="没有的歌")
            assert told.prompts[0].text == "对不起，没有找到没有的歌。"

            process.terminate()
            async with asyncio.timeout(10):
                assert await process.wait() == 0
            # Withdrawn: a marker is left, or has been cleaned away already.
            with pytest.raises((KeyDeletedError, KeyNotFoundError)):
                await skills.get(f"music.{description.version}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await client.close()
