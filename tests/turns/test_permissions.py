"""No service wants more of the bus than its role may."""

from __future__ import annotations

from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.refused import refused
from support.ringing import Ear, until
from support.stack import converse, device, speech


async def test_no_service_is_refused_anything(stack: Stack, address: DeviceAddress) -> None:
    """Every service and skill starts; a turn is typed, one is spoken, a timer is set, rings and is dismissed."""
    assert {service.name for service in SERVICES} <= {name.rsplit("-", 1)[0] for name in stack.processes}
    ear = Ear()
    async with device(stack, address, sink=ear) as here:
        assert (await converse(stack, "what time is it", "en-US", address)).outcomes
        assert (await here.say(await speech(stack, "what time is it", "en-US"))).outcome_id
        assert (await converse(stack, "set a timer for two seconds", "en-US", address)).outcomes
        await until(lambda: here.ringing)
        await here.dismiss()
        await until(lambda: not here.ringing)
    assert refused(stack) == []
