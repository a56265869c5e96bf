"""The system under test: the real services, two of each at least, with engines that show every fault."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chaos.sounding import RATE
from earshot_device import DeviceSettings
from earshot_local import Service, lean, patience
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress

TESTS: Final = Path(__file__).resolve().parents[1]
REPLICAS: Final = 2
ENVIRONMENT: Final = {
    "PYTHONPATH": str(TESTS),
    # The device says where an utterance ends: what is heard then follows from its samples alone.
    "EARSHOT_ASR_VAD": "none",
    "EARSHOT_LOG_LEVEL": "info",
    # A household may set 800 in that time; a soak sets more in a day.
    "EARSHOT_SCHEDULER_OVER_KEPT_S": "600",
}
# As `earshot up --cluster 3` has it.
CLUSTER_ENVIRONMENT: Final = patience.of_services(3)
CLUSTER_DEVICE: Final = patience.of_devices(3, {})
_SKILL: Final = "chaos.processes.skill"


def service(name: str, *arguments: str, role: str = "") -> Service:
    """Return a service that `chaos.process` runs."""
    command = (sys.executable, "-P", lean.__file__, "chaos.process", *arguments)
    return Service(name=name, module="", role=role or name, command=command)


SERVICES: Final = (
    service("asr", "chaos.processes.asr"),
    service("nlu", "earshot_nlu"),
    service("dialogue", "earshot_dialogue"),
    service("tts", "chaos.processes.tts"),
    service("echo", _SKILL, "echo", role="skill-echo"),
    service("list", _SKILL, "list", role="skill-chaos_list"),
    service("lamp", _SKILL, "lamp", role="skill-chaos_lamp"),
    service("counter", _SKILL, "counter", role="skill-chaos_counter"),
)
# Not among them: who wants no timers need not start it.
SCHEDULER: Final = service("scheduler", "earshot_scheduler")
# Not among them: faults have enough to hit.
NOTE: Final = service("note", _SKILL, "note", role="skill-chaos_note")


def stack(
    home: Path,
    *,
    services: Sequence[Service] = SERVICES,
    environment: Mapping[str, str] | None = None,
    tracestore: bool = False,
    replicas: int = REPLICAS,
    **options: Any,
) -> Stack:
    """Return the system, not yet started."""
    return Stack(
        home=home,
        services=services,
        scale={each.name: replicas for each in services if each.scalable},
        env=ENVIRONMENT | dict(environment or {}),
        tracestore=tracestore,
        **options,
    )


def process_names(services: Sequence[Service]) -> list[str]:
    """Return the names of the processes that `stack` runs of some services."""
    return [f"{each.name}-{index}" for each in services for index in range(REPLICAS)]


def device_name(number: int) -> str:
    """Return the id of a device."""
    return f"speaker{number:02}"


def device_settings(stack: Stack, number: int, locale: str, *, url: str = "", **options: Any) -> DeviceSettings:
    """Return the settings of a device in a household of its own."""
    address = DeviceAddress(f"home{number:02}", device_name(number))
    return DeviceSettings(
        nats_url=url or stack.nats_url,
        household_id=address.household,
        device_id=address.device,
        credentials=stack.device_credentials(*address),
        locale=locale,
        playback_rate=RATE,
        pre_roll_s=0.0,
        noise_floor_dbfs=None,
        trailing_silence_s=0.0,
        **options,
    )
