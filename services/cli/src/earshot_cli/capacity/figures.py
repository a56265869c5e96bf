"""What was measured on a machine: costs of a turn by service, of a connection, and how long a replica takes to start.

They are kept as one JSON document, so that a measurement of a minute serves `earshot capacity` and `earshot scaling`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earshot_cli.errors import BadArgumentError, NotFoundError

ASR = "asr"
# Those that a spoken turn passes, in this order; skills share the place of "skill".
PATH = (ASR, "nlu", "dialogue", "skill", "tts")


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceFigures(_Document):
    """One service: its cost of a turn, and what a replica takes."""

    cpu_s_per_turn: float = Field(ge=0)
    idle_cores: float = Field(ge=0, description="What a replica uses when nobody speaks.")
    memory_mib: float = Field(gt=0)
    start_s: float = Field(ge=0)


class BusFigures(_Document):
    """One nats-server: its cost of a turn, and what connected devices take."""

    cpu_s_per_turn: float = Field(ge=0)
    memory_mib: float = Field(gt=0)
    connections: int = Field(gt=0, description="How many devices the figures below are from.")
    memory_kib_per_connection: float = Field(gt=0)
    cpu_s_per_connect: float = Field(gt=0)
    connects_per_s: float = Field(gt=0)
    cpu_s_per_delivery: float = Field(gt=0)
    deliveries_per_s: float = Field(gt=0)
    cores_per_thousand_idle: float = Field(ge=0, description="What idle connections cost: pings.")
    stream_writes_per_s: float = Field(
        gt=0, description="What the leader of a stream in a file takes, of three copies."
    )
    memory_stream_writes_per_s: float = Field(gt=0, description="Likewise of a stream in memory: frames.")
    copy_cost: float = Field(
        gt=0,
        description="CPU of a turn on three nodes that keep a copy each, over one: what its writes take more is added.",
    )
    stored_bytes: dict[str, float] = Field(
        description="Bytes of a message as it is stored, by stream; KV_ for buckets."
    )


class Figures(_Document):
    """Everything that was measured in one run."""

    measured_at: str
    machine: str
    turns: int = Field(gt=0)
    utterance_s: float = Field(gt=0, description="Mean sound of an utterance, with the silence that ends it.")
    answer_s: float = Field(ge=0, description="Mean sound of an answer.")
    asr_cpu_s_per_audio_s: float = Field(gt=0)
    first_audio_s: tuple[float, ...] = Field(min_length=1, description="End of speech to first sound, of single turns.")
    services: dict[str, ServiceFigures]
    bus: BusFigures

    def write(self, path: Path) -> None:
        """Keep them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n")


def read(path: Path) -> Figures:
    """Return figures that were kept.

    Raises:
        NotFoundError: There is no such file.
        BadArgumentError: It holds something else (code `bad_figures`).
    """
    try:
        return Figures.model_validate(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file; without --figures they are measured") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadArgumentError(f"{path}: {where}: {first['msg']}", code="bad_figures") from error
    except ValueError as error:
        raise BadArgumentError(f"{path} is no JSON document: {error}", code="bad_figures") from error
