"""The scheduler as a process of a stack, with the credentials of its role and no more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats
import pytest

from earshot.device.v1 import upstream_pb2
from earshot.schedule.v1 import schedule_pb2, schedule_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.schedulers import Directives, Home

pytestmark = pytest.mark.timeout(90)


async def test_a_stack_rings_and_stops_ringing(tmp_path: Path) -> None:
    """Every subject that it needs is allowed: set, moved, rung, dismissed on the device, listed, deleted."""
    services = [service for service in SERVICES if service.name == "scheduler"]
    async with Stack(home=tmp_path, services=services, tracestore=False) as stack:
        await stack.ready()
        client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        directives = await Directives.of(client)
        async with connect(stack.grpc_target("scheduler"), default_timeout_s=20) as channel:
            home = Home(schedule_pb2_grpc.SchedulerStub(channel), "h1", "d1")
            await home.timer(0.3, label="eggs")
            told = await directives.wait(home, "ring")
            moved = await home.timer(600)
            await home.update(moved, label="tea")
            address = DeviceAddress(home.household, home.device)
            device = await nats.connect(
                stack.nats_url,
                user_credentials=str(stack.device_credentials(*address)),
                inbox_prefix=f"_INBOX.device.{home.household}.{home.device}",
            )
            event = upstream_pb2.DeviceEvent(event_id="e1")
            event.ring_dismissed.occurrence_id = told.ring.occurrence_id
            await device.publish(address.ring(), event.SerializeToString())
            await device.flush()
            await home.until(lambda found: [each.label for each in found] == ["tea"])
            assert (await home.delete(moved)).state == schedule_pb2.SCHEDULE_STATE_ARMED
            assert await home.list() == []
            await asyncio.gather(device.close(), client.close())
