"""What listens on every address is reached by IPv4 and IPv6; where it stands is written so that both can be read."""

from __future__ import annotations

import socket
import time
from email.utils import parsedate_to_datetime

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot_chassis.addresses import bracketed, joined
from earshot_chassis.health import Health
from earshot_chassis.rpc_server import GrpcServer

needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


def test_an_ipv6_address_stands_in_brackets() -> None:
    """Whoever writes it, and whoever is told one without them."""
    assert [joined(host, 80) for host in ("10.0.0.1", "fd00::1", "[fd00::1]", "tts")] == [
        "10.0.0.1:80",
        "[fd00::1]:80",
        "[fd00::1]:80",
        "tts:80",
    ]
    # The last group of four digits may be a port: a pod is never told an address alone.
    for target, meant in (("fd00::1:50051", "[fd00::1]:50051"), ("::1:80", "[::1]:80")):
        assert bracketed(target) == meant
    for target in ("[fd00::1]:80", "10.0.0.1:80", "dns:///tts:50051", "ipv6:[::1]:80", "tts", ""):
        assert bracketed(target) == target


@needs_ipv6
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1"])
async def test_every_address_is_every_one(host: str) -> None:
    """Health, metrics and gRPC; one address is that one."""
    health, server = Health(), GrpcServer(4)
    port, grpc_port = health.start(host, 0), await server.start(host, 0)
    try:
        for address in ("::1",) if host == "::1" else ("127.0.0.1", "::1"):
            async with httpx.AsyncClient(trust_env=False) as client:
                alive = await client.get(f"http://{joined(address, port)}/livez")
                assert alive.status_code == httpx.codes.OK
                # By which `earshot cluster doctor` knows its node's clock.
                assert abs(parsedate_to_datetime(alive.headers["Date"]).timestamp() - time.time()) < 30
            async with grpc.aio.insecure_channel(joined(address, grpc_port)) as channel:
                asked = health_pb2.HealthCheckRequest(service="live")
                told = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=10)  # type: ignore[misc]
            assert told.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        health.stop()
        await server.stop(0)
