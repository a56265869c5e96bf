"""Who a device is: its address on the bus and the credential that proves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress, token


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A device's identity.

    Its permissions on the bus are: publish device.<household>.<device>.up.>, subscribe
    device.<household>.<device>.down.> and its own inbox.

    Attributes:
        household_id: The tenant, one token of a subject.
        device_id: Serial number, unique in the household, one token of a subject.
        credentials: NATS credentials file (JWT and seed); None only for a server without authentication, in tests.

    Raises:
        InvalidTokenError: An id can't stand in a subject.
    """

    household_id: str
    device_id: str
    credentials: Path | None = None

    def __post_init__(self) -> None:
        token(self.household_id)
        token(self.device_id)

    @property
    def address(self) -> DeviceAddress:
        """The address that its subjects are made from."""
        return DeviceAddress(self.household_id, self.device_id)

    @property
    def inbox_prefix(self) -> str:
        """Where replies to its requests come: the only inbox that it may read."""
        return device_inbox(self.household_id, self.device_id)

    @property
    def down_subjects(self) -> str:
        """All that it may hear."""
        return f"device.{self.household_id}.{self.device_id}.down.>"
