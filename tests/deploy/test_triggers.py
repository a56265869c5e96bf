"""Every trigger of every ScaledObject finds what it names: a real nats-server is asked as KEDA asks, and real services."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from earshot_device import OutcomeKind
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from rolling.restarting import metric
from support import keda
from support.browsing import browser
from support.manifests import DEPLOY, OVERLAYS, named, of_kind, pod_templates, render
from support.stack import SPEECH_RATE, device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

ASKED = [service for service in SERVICES if service.name in {"asr", "nlu", "dialogue", "scheduler", "tts", "clock"}]
# What is heard is of no interest here, and how the end of speech is found neither.
ENGINES = {
    "EARSHOT_ASR_ENGINE": "recorded",
    "EARSHOT_ASR_VAD": "none",
    "EARSHOT_TTS_ENGINE": "recorded",
    "EARSHOT_LOG_LEVEL": "info",
    "EARSHOT_DRAIN_TIMEOUT_S": "15",
}
SPOKEN_S = 5.0
# Labels that the cluster's Prometheus adds to what a pod tells.
SCRAPED = {"namespace", "pod", "container", "job", "instance"}
PROD = "overlays/prod"
TRUST = "bus-trust"

# By their files: rendering them takes a second, and every process of a run of tests collects all of them.
SCALED = sorted(path.parent.name for path in (DEPLOY / "base").glob("*/scaledobject.yaml"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run what a turn needs, with engines that answer at once."""
    home = tmp_path_factory.mktemp("triggers")
    recordings = home / "recordings.json"
    recordings.write_text(json.dumps({"constant": {"en-US": "what time is it"}}))
    async with Stack(
        home=home / "stack",
        services=ASKED,
        env=ENGINES | {"EARSHOT_ASR_RECORDINGS": str(recordings)},
        tracestore=False,
        grace_s=18.0,
    ) as running:
        await running.ready(150)
        yield running


def monitoring(stack: Stack) -> str:
    """Return where the stack's nats-server tells how it is."""
    return keda.monitoring(stack.home.nats / "nats-server.conf")


async def objects_of(stack: Stack) -> list[Any]:
    """Return what production renders to, with what `earshot bus trust` adds: the account's public key."""
    trust = {
        "kind": "ConfigMap",
        "metadata": {"name": TRUST},
        "data": {"account": await keda.account(monitoring(stack))},
    }
    return [*render(PROD), trust]


async def asked(stack: Stack, trigger: Mapping[str, Any]) -> int:
    """Ask for a lag as KEDA does."""
    parameters = keda.parameters(trigger, await objects_of(stack))
    return await keda.lag(parameters, keda.getting(lambda _host: monitoring(stack)))


async def check(stack: Stack, scaled: Mapping[str, Any], trigger: Mapping[str, Any]) -> None:
    """Check that a trigger finds what it names.

    Raises:
        NotFoundByKedaError: It does not.
    """
    name = scaled["spec"]["scaleTargetRef"]["name"]
    match trigger["type"]:
        case "nats-jetstream":
            assert await asked(stack, trigger) >= 0
        case "prometheus":
            named_metrics = keda.metrics_of(trigger["metadata"]["query"])
            if not named_metrics:
                raise keda.NotFoundByKedaError(f"{name}: a query without a metric of ours")
            async with browser(timeout=30) as client:
                told = (await client.get(f"{stack.http(name)}/metrics")).text
            for metric_name, labels in named_metrics.items():
                if not re.search(rf"^{metric_name}(\{{| )", told, re.MULTILINE):
                    raise keda.NotFoundByKedaError(f"{name} tells no {metric_name}")
                unknown = {label for label in labels if label not in SCRAPED and f"{label}=" not in told}
                if unknown:
                    raise keda.NotFoundByKedaError(f"{metric_name} has no label {', '.join(unknown)}")
        case "cpu":
            template = next(pod for each, pod in pod_templates(render(PROD)) if each["metadata"]["name"] == name)
            for container in template["spec"]["containers"]:
                if "cpu" not in container["resources"]["requests"]:
                    raise keda.NotFoundByKedaError(f"{name} requests no CPU")
        case other:
            raise keda.NotFoundByKedaError(f"nobody checks triggers of type {other}")


async def test_no_overlay_has_triggers_of_its_own() -> None:
    """What scales in production is what the base has a file for, and nothing scales in development."""
    names = {
        overlay: sorted(each["metadata"]["name"] for each in of_kind(render(f"overlays/{overlay}"), "ScaledObject"))
        for overlay in OVERLAYS
    }
    assert names == {"dev": [], "prod": SCALED}


@pytest.mark.parametrize("name", SCALED)
async def test_every_trigger_finds_what_it_names(stack: Stack, name: str) -> None:
    """Consumers are on a bus that has our streams, metrics are told by services that nobody has spoken to yet."""
    scaled = named(render(PROD), "ScaledObject", name)
    for trigger in scaled["spec"]["triggers"]:
        await check(stack, scaled, trigger)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("consumer", "asrr", "consumer 'asrr' not found"),
        ("stream", "UTTERANCE", "not found in stream 'UTTERANCE'"),
        ("accountID", "EARSHOT", "not found"),
        ("accountID", "", "no account"),
    ],
)
async def test_a_trigger_that_names_what_is_not_there_is_found_out(
    stack: Stack, place: str, value: str, said: str
) -> None:
    """A misspelt consumer or stream, no account, or an account's name: in operator mode only its key finds anything."""
    trigger = named(render(PROD), "ScaledObject", "asr")["spec"]["triggers"][0]
    parameters = keda.parameters(trigger, await objects_of(stack)) | {place: value}
    with pytest.raises(keda.NotFoundByKedaError, match=said):
        await keda.lag(parameters, keda.getting(lambda _host: monitoring(stack)))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sum(earshot_asr_active_utterance)", "tells no earshot_asr_active_utterance"),
        ('sum(earshot_asr_active_utterances{lane="stable"})', "no label lane"),
        ("sum(up)", "without a metric of ours"),
    ],
)
async def test_a_query_for_what_nobody_tells_is_found_out(stack: Stack, query: str, said: str) -> None:
    """A misspelt metric, a label that it lacks, or none of ours: Prometheus answers nothing, which KEDA takes for nought."""
    scaled = named(render(PROD), "ScaledObject", "asr")
    with pytest.raises(keda.NotFoundByKedaError, match=said):
        await check(stack, scaled, {"type": "prometheus", "metadata": {"query": query, "threshold": "1"}})


async def test_what_a_trigger_refers_to_has_to_be_there(stack: Stack) -> None:
    """A TriggerAuthentication that is missing, or that reads a key that nobody wrote, is found out."""
    trigger = named(render(PROD), "ScaledObject", "asr")["spec"]["triggers"][0]
    with pytest.raises(keda.NotFoundByKedaError, match="no key account in ConfigMap bus-trust"):
        keda.parameters(trigger, render(PROD))
    elsewhere = {**trigger, "authenticationRef": {"name": "elsewhere"}}
    with pytest.raises(keda.NotFoundByKedaError, match="no TriggerAuthentication elsewhere"):
        keda.parameters(elsewhere, await objects_of(stack))


async def test_a_recogniser_that_is_scaled_down_finishes_what_it_owns(stack: Stack) -> None:
    """While somebody speaks both triggers say one; the only replica, asked to end, hears it out, and the turn is answered."""
    lag, active = named(render(PROD), "ScaledObject", "asr")["spec"]["triggers"][:2]
    (figure,) = keda.metrics_of(active["metadata"]["query"])
    sound = np.zeros(int(SPOKEN_S * SPEECH_RATE), np.int16)
    child = stack.processes["asr-0"]
    async with device(
        stack, DeviceAddress("home", "one"), capture_speed=1.0, playback_speed=8.0, trailing_silence_s=0.0
    ) as speaking:
        began = time.monotonic()
        turn = asyncio.ensure_future(speaking.say(sound, SPEECH_RATE))
        async with asyncio.timeout(SPOKEN_S):
            while await metric(stack, "asr-0", figure) != 1:
                await asyncio.sleep(0.05)
        assert await asked(stack, lag) == 1
        logged = child.program.log.stat().st_size
        restarted = asyncio.ensure_future(child.restart())
        result = await turn
        heard_after = time.monotonic() - began
        await restarted
    assert heard_after > SPOKEN_S
    assert result.kind is OutcomeKind.ANSWERED
    assert result.resent_count == 0
    # Of the one that owned it: its successor may have to begin twice, where somebody else took its port meanwhile.
    told = (
        json.loads(line)["event"] for line in child.program.log.read_text()[logged:].splitlines() if line[:1] == "{"
    )
    assert [event for event in told if event in {"draining", "stopped"}][:2] == ["draining", "stopped"]
    assert await asked(stack, lag) == 0
    assert await metric(stack, "asr-0", figure) == 0
