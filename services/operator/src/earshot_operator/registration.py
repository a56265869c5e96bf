"""What the registry knows of a skill.

Skills register themselves, by a lease that each replica renews (ADR 0006); the operator gives them the right to, waits until
they have, and deletes what a skill that is gone for good has left.
"""

from __future__ import annotations

from collections.abc import Mapping

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot_chassis.bus import Bus
from earshot_operator.errors import BusAwayError, RegistryAwayError
from earshot_registry import RegistryUnavailableError
from earshot_registry.listing import list_bucket
from earshot_registry.wire import description_entries, endpoint_entries
from earshot_topology.streams import SKILL_ENDPOINTS, SKILLS

# A deleted entry leaves a marker, for readers to see.
_MARKER_TTL_S = 3600.0


class Registrations:
    """The two buckets, as the operator sees them.

    Args:
        bus: Its connection may list both buckets, and delete from them.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def leases(self, skill_id: str) -> Mapping[str, str]:
        """Return the version by instance of every replica whose lease holds, and whose description is there.

        Raises:
            BusAwayError: There is no connection to the bus.
            RegistryAwayError: The buckets can't be listed.
        """
        self._look()
        try:
            skills = await list_bucket(self._bus.client, SKILLS.bucket)
            endpoints = await list_bucket(self._bus.client, SKILL_ENDPOINTS.bucket)
        except RegistryUnavailableError as error:
            self._look()
            raise RegistryAwayError(str(error)) from error
        described = {each.skill for each in description_entries(skills.entries) if each.value is not None}
        return {
            each.instance_id: each.skill.version
            for each in endpoint_entries(endpoints.entries)
            if each.value is not None and each.skill.skill_id == skill_id and each.skill in described
        }

    async def withdraw(self, skill_id: str) -> None:
        """Delete everything that is registered of a skill. Replicas that still live register again.

        Raises:
            BusAwayError: There is no connection to the bus.
            RegistryAwayError: It could not be deleted.
        """
        self._look()
        try:
            for bucket in (SKILLS.bucket, SKILL_ENDPOINTS.bucket):
                listed = await list_bucket(self._bus.client, bucket)
                for entry in listed.entries:
                    if entry.value is not None and entry.key.startswith(f"{skill_id}."):
                        await self._bus.jetstream.publish(
                            f"$KV.{bucket}.{entry.key}",
                            headers={"KV-Operation": "PURGE", "Nats-Rollup": "sub"},
                            msg_ttl=_MARKER_TTL_S,
                        )
        except (NatsError, APIError, RegistryUnavailableError, OSError) as error:
            self._look()
            raise RegistryAwayError(f"{skill_id} is still registered: {type(error).__name__}") from error

    def _look(self) -> None:
        """Look whether the bus is there: without it, nobody can tell anything of its buckets.

        Raises:
            BusAwayError: It is not.
        """
        if not self._bus.is_connected:
            raise BusAwayError("the bus can't be reached")
