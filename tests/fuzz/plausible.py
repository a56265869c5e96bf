"""Messages that look right: what spoiled ones are made from, and what is sent again and again."""

from __future__ import annotations

import random
import re
import uuid
from typing import Any

from google.protobuf.message import Message

from earshot_topology.catalog import Channel
from earshot_topology.subjects import DeviceAddress
from support.contracts import saturated

_PARAMETER = re.compile(r"\{(\w+)\}")
_WORDS = ("what time is it", "", "zzz", "几点了")


def subject(channel: Channel, address: DeviceAddress, turn: str, rng: random.Random) -> str:
    """Fill in a channel's address: this device and turn, something harmless for everything else."""
    known = {
        "household": address.household,
        "device": address.device,
        "turn": turn,
        "locale": rng.choice(("en-US", "en-US", "zh-CN", "xx-XX")),
        "lane": rng.choice(("stable", "stable", "nowhere")),
    }
    return _PARAMETER.sub(lambda found: known.get(found[1], f"fuzz{rng.randrange(20)}"), channel.address)


def message(kind: type[Message], address: DeviceAddress, turn: str, rng: random.Random) -> Message:
    """Return a message with a value in every field, and with values that a service would believe in half of them."""
    made = saturated(kind, depth=4)
    if rng.random() < 0.5:
        _believable(made, address, turn, rng)
    return made


def _believable(made: Message, address: DeviceAddress, turn: str, rng: random.Random) -> None:
    values: dict[str, Any] = {
        "turn_id": turn,
        "household_id": address.household,
        "device_id": address.device,
        "outcome_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "locale": "en-US",
        "time_zone": "Europe/Berlin",
        "lane": "stable",
        "modality": 2,
        "encoding": 1,
        "sample_rate_hertz": 16_000,
        "channel_count": 1,
        "contract_version": 1,
        "transcript": rng.choice(_WORDS),
        "text": rng.choice(_WORDS),
    }
    for field in made.DESCRIPTOR.fields:
        if field.name in values and not field.is_repeated and field.message_type is None:
            setattr(made, field.name, values[field.name])
        elif field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
            if not field.is_repeated:
                getattr(made, field.name).GetCurrentTime()
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            inner = getattr(made, field.name)
            for each in inner if field.is_repeated else [inner] if made.HasField(field.name) else []:
                _believable(each, address, turn, rng)
