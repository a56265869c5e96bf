"""What is known of each device, in the DEVICE_STATES bucket under <household>.<device>.

Every skill call carries the device's state, so it is kept in memory. A write by any replica passes by as a message on
the bucket's subjects and drops what is kept; its content is not taken, because a write that loses its compare-and-set
passes by as well. An entry is dropped after a while in any case: messages are missed while the bus is away.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg

from earshot.device.v1 import upstream_pb2
from earshot_chassis.buckets import Bucket, Entry
from earshot_chassis.bus import Bus
from earshot_chassis.errors import ConflictError
from earshot_topology.streams import DEVICE_STATES
from earshot_topology.subjects import DeviceAddress

_STORED_AT = "Earshot-Event-Time"
_KEEP_S = 30.0
_KEEP = 10_000
_WRITES = 5

State = upstream_pb2.StateChanged | None


class DeviceShadows:
    """Reads and writes device shadows."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket = Bucket(bus, DEVICE_STATES.bucket)
        self._kept: OrderedDict[str, tuple[float, State]] = OrderedDict()
        self._drops = 0

    async def start(self) -> None:
        """Begin to notice other replicas' writes."""
        await self._bus.client.subscribe(f"$KV.{DEVICE_STATES.bucket}.>", cb=self._noticed)

    async def read(self, address: DeviceAddress) -> State:
        """Return a device's last known state; None when it has told none.

        Raises:
            RetryableError: Nobody answered.
        """
        key = _key(address)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        drops = self._drops
        state = _state(await self._bucket.read(key))
        # A write that passed by while the answer was on its way may be missing from it.
        if drops == self._drops:
            self._kept[key] = (time.monotonic() + _KEEP_S, state)
            if len(self._kept) > _KEEP:
                self._kept.popitem(last=False)
        return state

    async def write(self, address: DeviceAddress, state: upstream_pb2.StateChanged, told_at: datetime) -> bool:
        """Keep a state unless a later one is kept already; tell whether it was.

        Args:
            address: The device.
            state: What it said.
            told_at: When the stream stored what it said: orders redeliveries.

        Raises:
            RetryableError: Nobody answered, or others kept writing.
        """
        key, stamp = _key(address), told_at.isoformat(timespec="microseconds")
        for attempt in range(_WRITES):
            entry = await self._bucket.read(key)
            if entry.headers.get(_STORED_AT, "") >= stamp:
                return False
            try:
                await self._bucket.write(
                    key, state.SerializeToString(), expected_revision=entry.revision, headers={_STORED_AT: stamp}
                )
            except ConflictError:
                if attempt == _WRITES - 1:
                    raise
                continue
            self._drop(key)
            return True
        return False

    async def _noticed(self, message: Msg) -> None:
        self._drop(message.subject.split(".", 2)[2])

    def _drop(self, key: str) -> None:
        self._drops += 1
        self._kept.pop(key, None)


def _key(address: DeviceAddress) -> str:
    return f"{address.household}.{address.device}"


def _state(entry: Entry) -> State:
    if entry.value is None:
        return None
    try:
        return upstream_pb2.StateChanged.FromString(entry.value)
    except DecodeError:
        return None
