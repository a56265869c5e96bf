"""From a fleet, measured figures and assumptions to pods and NATS nodes: arithmetic, and nothing else.

A bus grows by cells. Every stream has one leader, whatever the number of nodes, and every stream and bucket has a bound that
`earshot_topology` declares; households share nothing. So a fleet that is too large for one bus is split by household into
cells, each with a bus of its own and services of its own. How many there have to be, the fullest bound decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.figures import ASR, Figures
from earshot_cli.errors import BadArgumentError
from earshot_topology import streams

DAY_S = 86_400.0
_GIB = float(1 << 30)
# How long OUTCOMES must not have forgotten a turn: the longest utterance, and the time for its answer.
_CLAIMED_S = 42.0
# How long a device may still ask for frames of an answer behind its end.
_BACKFILL_S = 10.0
# What an answer's frames and an utterance's come in.
_FRAMES_PER_S = 25.0
# Writes into file streams in a turn: start, transcript, meaning, outcome, deadline armed twice, four events, the session.
_FILE_WRITES = {"UTTERANCES": 1.0, "TURNS": 2.0, "OUTCOMES": 1.0, "DEADLINES": 2.0, "DEVICE_EVENTS": 4.0}
_CONNECTIONS_PER_POD = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Who is to be served.

    Attributes:
        devices: How many there are.
        turns_per_day: Of each, on average.
        peak: The busiest moment's rate over the day's mean.
    """

    devices: int
    turns_per_day: float
    peak: float

    def __post_init__(self) -> None:
        """Refuse what is no fleet.

        Raises:
            BadArgumentError: A number is not above 0, or the peak is below the mean.
        """
        if self.devices < 1 or not self.turns_per_day > 0:
            raise BadArgumentError("devices and turns a day have to be above 0")
        if not self.peak >= 1:
            raise BadArgumentError(f"a peak of {self.peak:g}: the busiest moment can't be quieter than the mean")

    @property
    def mean_turns_per_s(self) -> float:
        """Turns a second, over a day."""
        return self.devices * self.turns_per_day / DAY_S

    @property
    def peak_turns_per_s(self) -> float:
        """Turns a second, at the busiest moment."""
        return self.mean_turns_per_s * self.peak


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNeed:
    """Pods of one service, in the whole fleet.

    Attributes:
        service: Its name.
        cores: CPU that the busiest moment uses.
        pod_cores: CPU of a pod.
        pod_mib: Memory of a pod.
        mean: Pods that the day's mean needs.
        peak: Pods that there are at the busiest moment.
        decided_by: What their number follows from: the CPU that they use, or what KEDA asks for.
        standing: Pods that stand ready at any time (minReplicaCount).
    """

    service: str
    cores: float
    pod_cores: float
    pod_mib: float
    mean: int
    peak: int
    decided_by: Literal["CPU", "KEDA"]
    standing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Something that one cell has only so much of.

    Attributes:
        name: What it is.
        kind: What happens when it is reached.
        used: What one cell with the whole fleet would use of it at the busiest moment.
        limit: What there is.
    """

    name: str
    kind: str
    used: float
    limit: float

    @property
    def share(self) -> float:
        """What the whole fleet would use of it, in one cell."""
        return self.used / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class BusNeed:
    """The bus.

    Attributes:
        cells: Buses that the fleet is split over.
        nodes_per_cell: nats-servers of each.
        decided_by: What the number of nodes of a cell follows from.
        connections_per_node: Connections of a node.
        memory_gib_per_node: Memory of a node.
        cores_per_node: CPU that a node uses at the busiest moment.
        bounds: What a cell has only so much of, the fullest first.
    """

    cells: int
    nodes_per_cell: int
    decided_by: str
    connections_per_node: float
    memory_gib_per_node: float
    cores_per_node: float
    bounds: tuple[Bound, ...]

    @property
    def nodes(self) -> int:
        """All nats-servers."""
        return self.cells * self.nodes_per_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a fleet needs."""

    fleet: Fleet
    services: tuple[ServiceNeed, ...]
    bus: BusNeed

    @property
    def pods(self) -> int:
        """Pods of all services at the busiest moment."""
        return sum(need.peak for need in self.services)

    @property
    def cores(self) -> float:
        """Cores of all pods at the busiest moment."""
        return sum(need.peak * need.pod_cores for need in self.services)


def capacity(fleet: Fleet, figures: Figures, assumed: Assumptions, *, cells: int | None = None) -> Capacity:
    """Work out what a fleet needs.

    Args:
        fleet: Who is to be served.
        figures: What was measured.
        assumed: What was not.
        cells: Buses to split it over; none: as many as it needs.

    Raises:
        BadArgumentError: There are fewer than one cell.
    """
    if cells is not None and cells < 1:
        raise BadArgumentError(f"{cells} cells: give at least one")
    bounds = tuple(sorted(_bounds(fleet, figures, assumed), key=lambda bound: -bound.share))
    wanted = cells or max(1, math.ceil(bounds[0].share / assumed.full))
    services = tuple(_services(fleet, figures, assumed, wanted))
    return Capacity(fleet=fleet, services=services, bus=_bus(fleet, figures, assumed, wanted, bounds, services))


def _services(fleet: Fleet, figures: Figures, assumed: Assumptions, cells: int) -> Iterator[ServiceNeed]:
    cost = {name: measured.cpu_s_per_turn for name, measured in figures.services.items()}
    cost[ASR] = figures.asr_cpu_s_per_audio_s * figures.utterance_s
    # A quarter of the turns each, if there are four skills; the scheduler has work where a timer is set or rings.
    many = {"skill": int(assumed.skills)}
    # What KEDA counts: those of a turn that a pod has in hand for as long as somebody speaks or is spoken to. Others have
    # theirs for milliseconds.
    asked = {
        ASR: figures.utterance_s * assumed.retries / assumed.asr_target,
        "tts": figures.answer_s * assumed.retries / assumed.tts_target,
    }
    for name, each in cost.items():
        share = assumed.timers if name == "scheduler" else 1.0
        spread = many.get(name, 1)
        pod_cores = float(getattr(assumed, f"{name}_cores"))
        per_turn = each * share * assumed.retries / assumed.machine / spread
        by_cpu, by_keda = per_turn / (pod_cores * assumed.busy), asked.get(name, 0.0)

        def pods(rate: float, each: float) -> int:
            # Every cell has pods of its own.
            return cells * (math.ceil(rate / cells * each) + math.ceil(assumed.spare_pods))

        # An autoscaler starts as many as its triggers ask for, whether or not they have work.
        either = max(by_cpu, by_keda)
        yield ServiceNeed(
            service=name if spread == 1 else f"skills ({spread})",
            cores=fleet.peak_turns_per_s * per_turn * spread,
            pod_cores=pod_cores,
            pod_mib=figures.services[name].memory_mib,
            mean=pods(fleet.mean_turns_per_s, either) * spread,
            peak=pods(fleet.peak_turns_per_s, either) * spread,
            decided_by="KEDA" if by_keda > by_cpu else "CPU",
            standing=max(2 * cells, math.ceil(pods(fleet.peak_turns_per_s, by_cpu) * assumed.standing)) * spread,
        )


def _bounds(fleet: Fleet, figures: Figures, assumed: Assumptions) -> Iterator[Bound]:
    """Yield what one cell has only so much of, as if the whole fleet were in it."""
    rate = fleet.peak_turns_per_s * assumed.retries
    limits = {config.name: float(config.max_bytes or 0) for config in streams.STREAMS}
    buckets = {config.bucket: float(config.max_bytes or 0) for config in streams.BUCKETS}
    in_progress = rate * (figures.utterance_s + 1.0)
    sound = assumed.audio_bytes_per_s

    def stored(stream: str) -> float:
        return figures.bus.stored_bytes.get(stream, assumed.event_bytes)

    yield Bound(
        name="UTTERANCES, consumer asr: unacknowledged",
        kind="utterances wait, though recognisers are free",
        used=in_progress,
        limit=float(streams.ASR_STARTED.max_ack_pending),
    )
    yield Bound(
        name="TURNS, consumer dialogue: unacknowledged",
        kind="turns wait, though replicas are free",
        used=rate * 0.5,
        limit=float(streams.DIALOGUE_INTERPRETED.max_ack_pending),
    )
    yield Bound(
        name="OUTCOMES, consumer tts: unacknowledged",
        kind="answers wait, though replicas are free",
        used=rate * (figures.answer_s + 1.0),
        limit=float(streams.TTS_OUTCOMES.max_ack_pending),
    )
    yield Bound(
        name="AUDIO: bytes",
        kind="frames of utterances in progress are pushed out",
        used=rate * figures.utterance_s * sound * (figures.utterance_s / 2 + assumed.capture_kept_s),
        limit=limits["AUDIO"],
    )
    yield Bound(
        name="SPEECH: bytes",
        kind="frames of answers being spoken are pushed out",
        used=rate * figures.answer_s * sound * (figures.answer_s + _BACKFILL_S),
        limit=limits["SPEECH"],
    )
    yield Bound(
        name="UTTERANCES: bytes",
        kind="starts are refused (storage_full)",
        used=in_progress * stored("UTTERANCES"),
        limit=limits["UTTERANCES"],
    )
    yield Bound(
        name="OUTCOMES: bytes",
        kind="turns are forgotten before their deadline",
        used=rate * stored("OUTCOMES") * _CLAIMED_S,
        limit=limits["OUTCOMES"],
    )
    yield Bound(
        name="SESSIONS: bytes",
        kind="dialogues are not remembered (storage_full)",
        used=min(float(fleet.devices), rate * float(streams.SESSIONS.ttl or 0)) * stored("KV_SESSIONS"),
        limit=buckets["SESSIONS"],
    )
    yield Bound(
        name="DEVICE_STATES: bytes",
        kind="shadows are not written (storage_full)",
        used=fleet.devices * stored("KV_DEVICE_STATES"),
        limit=buckets["DEVICE_STATES"],
    )
    busiest = max(_FILE_WRITES, key=lambda name: _FILE_WRITES[name])
    yield Bound(
        name=f"{busiest}: writes a second",
        kind="publishers wait for the stream's one leader",
        used=rate * _FILE_WRITES[busiest],
        limit=assumed.stream_writes,
    )
    yield Bound(
        name="AUDIO: frames a second",
        kind="the capture is behind; takeovers miss frames",
        used=rate * figures.utterance_s * _FRAMES_PER_S,
        limit=assumed.memory_stream_writes,
    )


def _bus(
    fleet: Fleet,
    figures: Figures,
    assumed: Assumptions,
    cells: int,
    bounds: tuple[Bound, ...],
    services: tuple[ServiceNeed, ...],
) -> BusNeed:
    bus, copies = figures.bus, int(assumed.copies)
    pods = sum(need.peak for need in services) * _CONNECTIONS_PER_POD
    connections = (fleet.devices * assumed.online + pods) / cells
    rate = fleet.peak_turns_per_s * assumed.retries / cells
    cores = rate * bus.cpu_s_per_turn * (assumed.copy_cost if copies > 1 else 1.0)
    cores += rate * assumed.deliveries_per_turn * bus.cpu_s_per_delivery
    cores = (cores + connections / 1_000 * bus.cores_per_thousand_idle) / assumed.machine
    each_gib = (bus.memory_kib_per_connection + assumed.tls_kib) / (1 << 20)
    # Memory streams are on as many nodes as there are copies.
    held_gib = sum(float(each.max_bytes or 0) for each in streams.STREAMS if each.storage == "memory") / _GIB
    reasons = {
        "copies of the streams": copies,
        "connections": math.ceil(connections / assumed.node_connections),
        "cores": math.ceil(cores / (assumed.node_cores * assumed.bus_busy)),
        "memory": math.ceil(connections * each_gib / max(0.1, assumed.node_memory_gib * 0.7 - held_gib)),
    }
    reason = max(reasons, key=lambda name: reasons[name])
    nodes = reasons[reason]
    return BusNeed(
        cells=cells,
        nodes_per_cell=nodes,
        decided_by=reason,
        connections_per_node=connections / nodes,
        memory_gib_per_node=connections / nodes * each_gib + held_gib + bus.memory_mib / 1024,
        cores_per_node=cores / nodes,
        bounds=bounds,
    )


def breaks_first(result: Capacity, figures: Figures, assumed: Assumptions, times: float) -> list[tuple[Bound, float]]:
    """Return the bounds that break when the fleet grows and its cells do not, and at how many devices each does."""
    fleet, cells = result.fleet, result.bus.cells
    grown = Fleet(devices=round(fleet.devices * times), turns_per_day=fleet.turns_per_day, peak=fleet.peak)
    return [
        (bound, grown.devices * cells / bound.share)
        for bound in sorted(_bounds(grown, figures, assumed), key=lambda bound: -bound.share)
        if bound.share / cells > 1
    ]
