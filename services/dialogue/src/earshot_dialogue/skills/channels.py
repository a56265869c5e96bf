"""gRPC channels to the replicas of skills, opened and closed as replicas come and go."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Protocol

import grpc

from earshot.skill.v1 import skill_pb2_grpc
from earshot_dialogue.core.catalogue import Catalogue, SkillVersion

_AVOID_S = 2.0
_GRACE_S = 30.0
_GIVE_UP_S = 2.0
_AWAY = frozenset({grpc.ChannelConnectivity.CONNECTING, grpc.ChannelConnectivity.TRANSIENT_FAILURE})


class Connect(Protocol):
    """Opens a channel to a replica of a service."""

    def __call__(self, target: str, *, service: str) -> grpc.aio.Channel:
        """Return it; it connects by itself."""


class SkillChannels:
    """One channel a replica, taken in turns within a skill's version.

    A replica that could not be reached goes to the back of the queue for two seconds: it may have crashed, and its lease
    is still running. So does one whose connection is not there at the moment, for as long as it is not: a process that is
    frozen takes connections and never says a word, and a call would wait for it. A target that stands for several replicas ("dns:///…") is balanced inside its channel.

    Args:
        connect: Opens a channel: `earshot_chassis.rpc_client.connect`.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._stubs: dict[str, skill_pb2_grpc.SkillAsyncStub] = {}
        self._taken: dict[tuple[str, str], int] = {}
        self._avoided: dict[str, float] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def follow(self, catalogue: Catalogue) -> None:
        """Open channels to new replicas before they are called, and close those of replicas that are gone.

        Calls in progress on a channel that is closed may end first.
        """
        wanted = {
            target: version.skill_id
            for versions in catalogue.skills.values()
            for version in versions
            for target in version.targets
        }
        for target in wanted.keys() - self._channels.keys():
            channel = self._connect(target, service=f"skill-{wanted[target]}")
            channel.get_state(try_to_connect=True)
            self._channels[target] = channel
            # The stub is typed as the asynchronous one; grpc generates a single class for both.
            self._stubs[target] = skill_pb2_grpc.SkillStub(channel)
        for target in self._channels.keys() - wanted.keys():
            del self._stubs[target]
            self._avoided.pop(target, None)
            self._close(self._channels.pop(target))

    def pick(self, version: SkillVersion, *, tried: str = "") -> tuple[str, skill_pb2_grpc.SkillAsyncStub] | None:
        """Return the next replica of a version; not one that was tried just now, if there is another."""
        able = [target for target in version.targets if target in self._stubs]
        if not able:
            return None
        now = time.monotonic()
        key = (version.skill_id, version.version)
        turn = self._taken.get(key, -1) + 1
        self._taken[key] = turn
        first = turn % len(able)
        queue = able[first:] + able[:first]
        target = min(queue, key=lambda one: (one == tried, self._avoided.get(one, 0.0) > now or self._is_away(one)))
        return target, self._stubs[target]

    def _is_away(self, target: str) -> bool:
        return self._channels[target].get_state() in _AWAY

    def avoid(self, target: str) -> None:
        """Put a replica at the back of the queue for a while."""
        self._avoided[target] = time.monotonic() + _AVOID_S

    async def close(self) -> None:
        """Close every channel."""
        for task in self._closing:
            task.cancel()
        channels = list(self._channels.values())
        self._channels.clear()
        self._stubs.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_UP_S):
                await asyncio.gather(*(channel.close(0) for channel in channels), return_exceptions=True)

    def _close(self, channel: grpc.aio.Channel) -> None:
        task = asyncio.get_running_loop().create_task(channel.close(_GRACE_S))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
