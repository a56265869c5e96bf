"""Makes a running replica known, and unknown again.

    start   SKILL_ENDPOINTS put     <skill>.<version>.<instance>   the lease, with the target
            SKILLS          put     <skill>.<version>              the description, unless the same one is there and in use
    every third of the lease: the lease is written again, the description where it is missing
    drain   SKILLS          delete  if no other replica of the version holds a lease and nobody has written it since
            SKILL_ENDPOINTS delete

Readers count a version as live while both entries are there, and take the last sequence of SKILLS as their revision.
The order lets the description be the last thing written at a start and the first thing deleted at a drain, so that all
readers end at the same revision. A replica that stops without draining is gone when the bucket ends its lease.
"""

from __future__ import annotations

import asyncio
import time

from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyNotFoundError
from nats.js.errors import Error as JetStreamError
from nats.js.kv import KeyValue

from earshot.skill.v1 import skill_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_registry import RegistryUnavailableError
from earshot_registry.listing import list_bucket
from earshot_registry.wire import description_key, endpoint_key
from earshot_topology.streams import SKILL_ENDPOINTS, SKILL_LEASE_S, SKILLS

_log = telemetry.logger("registration")
_RETRY_S = 0.2
# A process that leaves does not wait longer for a bus that is away.
_WITHDRAWAL_S = 1.0
# The second: what comes before it is not stored yet.
_WRONG_LAST_SEQUENCE = (10071, 10164)

# A withdrawn version leaves a marker, for readers to see; it goes after a time, or versions of years would pile up.
_MARKER_TTL_S = 3600.0


class Registration:
    """One replica's entries.

    Args:
        bus: Connected; may read and write the SKILLS and SKILL_ENDPOINTS buckets.
        description: What the skill can do.
        lease_s: How long the bucket keeps a lease, in seconds.
    """

    def __init__(self, bus: Bus, description: skill_pb2.SkillDescription, *, lease_s: float = SKILL_LEASE_S) -> None:
        self._bus = bus
        self._skill = (description.skill_id, description.version)
        self._description_key = description_key(*self._skill)
        self._description = description.SerializeToString(deterministic=True)
        self._endpoint_key = ""
        self._endpoint = b""
        self._lease_s = lease_s
        self._renewed_at = float("-inf")
        self._buckets: tuple[KeyValue, KeyValue] | None = None

    def overdue(self) -> str:
        """Return why nobody finds this replica; empty while its lease holds. A readiness check."""
        late = time.monotonic() - self._renewed_at > self._lease_s
        return "the skill's lease could not be renewed" if late else ""

    async def keep(self, endpoint: skill_pb2.SkillEndpoint) -> None:
        """Register this replica, then renew until cancelled. The bus being away is waited out."""
        self._endpoint_key = endpoint_key(*self._skill, endpoint.instance_id)
        self._endpoint = endpoint.SerializeToString(deterministic=True)
        while True:
            try:
                if time.monotonic() - self._renewed_at >= self._lease_s:
                    await self._register()
                else:
                    await self._renew()
            except (NatsError, JetStreamError, RegistryUnavailableError, OSError) as error:
                _log.warning("registration_failed", reason=type(error).__name__)
                await asyncio.sleep(_RETRY_S)
                continue
            self._renewed_at = time.monotonic()
            await asyncio.sleep(self._lease_s / 3)

    async def withdraw(self) -> None:
        """Delete the entries: new calls go elsewhere from now on. What can't be deleted runs out with the lease."""
        if not self._endpoint_key:
            return
        try:
            async with asyncio.timeout(_WITHDRAWAL_S):
                skills, endpoints = await self._open()
                await self._withdraw_description(skills)
                await endpoints.delete(self._endpoint_key)
        except (NatsError, JetStreamError, RegistryUnavailableError, OSError, TimeoutError) as error:
            _log.warning("withdrawal_failed", reason=type(error).__name__)
        else:
            _log.info("withdrawn", skill=self._skill[0], version=self._skill[1])

    async def _register(self) -> None:
        skills, endpoints = await self._open()
        await endpoints.put(self._endpoint_key, self._endpoint)
        known = await self._current(skills)
        if known is None or known.value != self._description or not await self._others():
            await skills.put(self._description_key, self._description)
        _log.info("registered", skill=self._skill[0], version=self._skill[1])

    async def _renew(self) -> None:
        skills, endpoints = await self._open()
        await endpoints.put(self._endpoint_key, self._endpoint)
        # Another replica may have withdrawn the description while this one was registering.
        if await self._current(skills) is None:
            await skills.put(self._description_key, self._description)

    async def _withdraw_description(self, skills: KeyValue) -> None:
        known = await self._current(skills)
        if known is None or await self._others():
            return
        try:
            await self._bus.jetstream.publish(
                f"$KV.{SKILLS.bucket}.{self._description_key}",
                headers={
                    "KV-Operation": "PURGE",
                    "Nats-Rollup": "sub",
                    "Nats-Expected-Last-Subject-Sequence": str(known.revision),
                },
                msg_ttl=_MARKER_TTL_S,
            )
        except APIError as error:
            # Somebody has registered the version in the meantime: the description is theirs now.
            if error.err_code not in _WRONG_LAST_SEQUENCE:
                raise

    async def _others(self) -> bool:
        """Whether another replica of this version holds a lease."""
        prefix = f"{self._description_key}."
        leases = await list_bucket(self._bus.client, SKILL_ENDPOINTS.bucket, api=self._bus.jetstream_api)
        return any(
            lease.value is not None and lease.key.startswith(prefix) and lease.key != self._endpoint_key
            for lease in leases.entries
        )

    async def _current(self, skills: KeyValue) -> KeyValue.Entry | None:
        try:
            return await skills.get(self._description_key)
        except KeyNotFoundError:
            return None

    async def _open(self) -> tuple[KeyValue, KeyValue]:
        if self._buckets is None:
            jetstream = self._bus.jetstream
            self._buckets = (
                await jetstream.key_value(SKILLS.bucket),
                await jetstream.key_value(SKILL_ENDPOINTS.bucket),
            )
        return self._buckets
