"""How long a turn may take: longer on a cluster, which is without a leader for 4 to 9 s when a node of it is killed.

That is how long a stream, and each consumer on it, waits for an election. One that is shorter than the deadline is ridden
out; with the default of 8 s, which is for a single server, the longest ones end in an apology.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SERVICES: Final = {"EARSHOT_ASR_DEADLINE_S": "12", "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": "12"}
# The cloud's own apology comes first here, too.
_DEVICE: Final = {"answer_timeout_s": 14.0, "segment_timeout_s": 12.0, "speech_timeout_s": 12.0}


def of_services(nodes: int) -> dict[str, str]:
    """Return what services are told on a bus of so many nodes, as environment; nothing where their defaults do."""
    return dict(_SERVICES) if nodes > 1 else {}


def of_devices(nodes: int, environment: Mapping[str, str]) -> dict[str, float]:
    """Return a device's settings on a bus of so many nodes, but for those that the environment (EARSHOT_DEVICE_*) sets."""
    named = {name.upper() for name in environment}
    longer = _DEVICE if nodes > 1 else {}
    return {name: value for name, value in longer.items() if f"EARSHOT_DEVICE_{name.upper()}" not in named}
