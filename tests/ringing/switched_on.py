"""A device as a process, to be killed: writes what rings at each change, one JSON list a line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from earshot_device import Device, DeviceSettings


async def main() -> None:
    """Be the device that the arguments say, until somebody ends it."""
    url, household, name, credentials, state = sys.argv[1:]
    settings = DeviceSettings(
        nats_url=url,
        household_id=household,
        device_id=name,
        credentials=Path(credentials),
        state_file=Path(state),
        playback_speed=20.0,
    )
    async with Device(settings) as device:
        told: list[str] | None = None
        while True:
            ringing = [occurrence.occurrence_id for occurrence in device.ringing]
            if ringing != told:
                told = ringing
                sys.stdout.write(json.dumps(ringing) + "\n")
                sys.stdout.flush()
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main())
