"""The weather skill's data source, as this machine sees it."""

from __future__ import annotations

import asyncio

HOST = "api.open-meteo.com"
TIMEOUT_S = 1.5


async def reachable() -> bool:
    """Tell whether Open-Meteo accepts a connection within a second and a half."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(HOST, 443)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def redirected_to(url: str) -> dict[str, str]:
    """Return the settings that send the weather skill to another server of Open-Meteo's shape."""
    return {"EARSHOT_WEATHER_API": url, "EARSHOT_WEATHER_GEOCODING_API": url}
