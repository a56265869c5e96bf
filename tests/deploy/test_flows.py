"""The declared flows are the connections of a running stack: none that is not declared, none declared that is not there.

Where the others are seen, or why not, stands in `support.flows`.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import nats
import pytest
import pytest_asyncio

from earshot_chassis.rpc_client import connect
from earshot_local.stack import Stack
from earshot_topology import flows
from earshot_topology.flows import FLOWS, Flow
from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress
from support import keda
from support.connections import OUTSIDE, SOMEBODY, Edge, Watch
from support.flows import OPERATOR, UNWATCHED, ends, on_one_machine
from support.manifests import BASES, of_kind, render
from support.stack import converse

SERVICES = tuple(sorted(name for name in BASES if flows.is_service(name)))
_PORTS = {
    flows.GRPC_PORT: "grpc",
    flows.HTTP_PORT: "http",
    flows.MEDIA_PORT: "media",
    flows.BUS_PORT: "bus",
    flows.MONITORING_PORT: "monitor",
    flows.OTLP_PORT: "otlp",
    443: "https",
}
# Whose part the test plays: nobody can tell these apart by their connections.
_OUTSIDE = {flows.BUS_APPLY, flows.DEVICES, flows.GATEWAY, flows.KEDA, flows.PROMETHEUS}
# On one machine alone: the trace store stands in for the collector and listens to the bus; the supervisor asks it and
# what stands in for the internet for their health, as a node's kubelet does; the bus too, where KEDA asks.
_ONE_MACHINE = {
    Edge("tracestore", flows.BUS, "bus"),
    Edge(OUTSIDE, "tracestore", "http"),
    Edge(OUTSIDE, flows.INTERNET, "https"),
}
PLACE = DeviceAddress("h1", "d1")


def _expanded(flow: Flow) -> Iterator[Edge]:
    """Yield a flow's edges, a group's for each of its members."""
    sources = [name for name in SERVICES if flows.belongs(name, flow.source)] or [flow.source]
    targets = [name for name in SERVICES if flows.belongs(name, flow.target)] or [flow.target]
    for source in sources:
        for target in targets:
            yield Edge(OUTSIDE if source in _OUTSIDE else source, target, _PORTS.get(flow.port, str(flow.port)))


def _names(stack: Stack) -> dict[str, str]:
    named = {
        name: name if (base := name.rsplit("-", 1)[0]) in BASES else f"skill-{base}" for name in stack.processes
    } | {name: name.rsplit("-", 1)[0] for name in stack.processes if name.rsplit("-", 1)[0] in BASES}
    return named | {"nats-server": flows.BUS, "tracestore": "tracestore", "weather-sample": flows.INTERNET}


def _ports(stack: Stack) -> dict[int, tuple[str, str]]:
    """Return what the ports of a stack are; a skill's HTTP for devices is known when it gave out an address."""
    known = {
        urlsplit(stack.nats_url).port: (flows.BUS, "bus"),
        urlsplit(stack.otlp_endpoint).port: (flows.COLLECTOR, "otlp"),
        urlsplit(stack.traces_url).port: ("tracestore", "api"),
        urlsplit(stack.http("tracestore")).port: ("tracestore", "http"),
    }
    for service in SERVICES:
        name = service.removeprefix("skill-")
        known[int(stack.grpc_target(name).rsplit(":", 1)[1])] = (service, "grpc")
        known[urlsplit(stack.http(name)).port] = (service, "http")
    return {port: what for port, what in known.items() if port is not None}


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """Run everything once, with no vocabulary at hand, so that words have to be asked for; nobody is reached outside."""
    env = {"EARSHOT_ASR_CACHE": str(tmp_path / "cache"), "EARSHOT_ASR_WORKERS": "1"}
    async with Stack(home=tmp_path / "home", env=env) as running:
        yield running


def test_each_flow_is_accounted_for_once() -> None:
    """Whoever is in a list of flows that are seen elsewhere, or nowhere, is declared, and is in one of them."""
    declared = {ends(flow) for flow in FLOWS}
    assert len(declared) == len(FLOWS), "two flows of the same ends could hide behind each other"
    assert sorted({*OPERATOR, *UNWATCHED} - declared) == []
    assert sorted(OPERATOR & UNWATCHED.keys()) == []


def test_a_connection_that_is_over_is_seen(tmp_path: Path) -> None:
    """One that nobody looked at while it was open is somebody's; one that was over before the watch began is not of it."""
    with socket.create_server(("127.0.0.1", 0)) as before, socket.create_server(("127.0.0.1", 0)) as listener:
        _visit(before)
        ports = {before.getsockname()[1]: ("asr", "grpc"), listener.getsockname()[1]: ("nlu", "grpc")}
        watch = Watch(Stack(home=tmp_path, services=()), {}, ports)
        _visit(listener)
        watch.look()
        assert (watch.edges, watch.short()) == (set(), {Edge(SOMEBODY, "nlu", "grpc")})


def _visit(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()), listener.accept()[0]:
        pass


@pytest.mark.timeout(600)
async def test_the_table_is_what_runs(stack: Stack) -> None:
    """A stack that starts, answers, sets a timer, looks at the weather and plays music opens the declared connections."""
    ports = _ports(stack)
    with Watch(stack, _names(stack), ports) as watch:
        await stack.ready(480)
        for text in ("what time is it in Tokyo", "set a timer for ten minutes", "what's the weather in Paris tomorrow"):
            assert (await converse(stack, text, "en-US", PLACE)).outcomes, text
        played = await converse(stack, "play some jazz", "en-US", PLACE)
        (url,) = re.findall(r"http://[^\"\s]+/media/[^\"\s]+", str(played.outcomes))
        ports[int(urlsplit(url).port or 0)] = ("skill-music", "media")
        asked_by_keda = f"{keda.monitoring(stack.home.nats / 'nats-server.conf')}/jsz?consumers=true"
        async with httpx.AsyncClient() as client:
            # Held open while somebody looks: what is over in an instant could be missed.
            for address in (
                url,
                asked_by_keda,
                *(f"{stack.http(name.removeprefix('skill-'))}/metrics" for name in SERVICES),
            ):
                async with client.stream("GET", address) as response:
                    assert response.status_code == httpx.codes.OK
                    await asyncio.to_thread(watch.look)
            await _scraped(client, stack)
        await _from_outside(stack, watch)
    declared = {edge for flow in FLOWS for edge in _expanded(flow)}
    seen = {_told(edge) for edge in watch.edges} - _ONE_MACHINE
    assert sorted(seen - declared) == []
    may_be_reached = {(edge.target, edge.port) for edge in declared | _ONE_MACHINE}
    assert sorted(edge for edge in watch.short() if (edge.target, edge.port) not in may_be_reached) == []
    expected = {edge for flow in on_one_machine() for edge in _expanded(flow)}
    assert sorted(expected - seen) == []


def _told(edge: Edge) -> Edge:
    """Return an edge with its port named: the bus has but one more, and whatever the internet has stands for HTTPS."""
    more = {flows.BUS: "monitor", flows.INTERNET: "https"}
    return edge if edge.port else Edge(edge.source, edge.target, more.get(edge.target, ""))


async def _from_outside(stack: Stack, watch: Watch) -> None:
    """Be a device, and a gateway; what they open is held until somebody has looked."""
    credentials = str(stack.device_credentials(*PLACE))
    inbox = device_inbox(*PLACE)
    device = await nats.connect(stack.nats_url, user_credentials=credentials, inbox_prefix=inbox)
    async with connect(stack.grpc_target("dialogue").split(",")[0]) as gateway:
        await asyncio.wait_for(gateway.channel_ready(), 30)
        await asyncio.to_thread(watch.look)
    await device.close()


async def _scraped(client: httpx.AsyncClient, stack: Stack) -> None:
    """Every metric that a trigger asks Prometheus for is one that its service exports, under that very name."""
    queries = {
        scaled["metadata"]["name"]: trigger["metadata"]["query"]
        for scaled in of_kind(render("overlays/prod"), "ScaledObject")
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    }
    assert list(queries) == ["asr"]
    for service, query in queries.items():
        (metric,) = re.findall(r"[a-z_]+(?=\{)", query)
        told = (await client.get(f"{stack.http(service)}/metrics")).text
        assert f"# TYPE {metric} gauge" in told
