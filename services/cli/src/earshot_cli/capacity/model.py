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
from earshot_cli.capacity.bounds import Bound
from earshot_cli.capacity.bounds import bounds as bounds_of
from earshot_cli.capacity.figures import ASR, Figures
from earshot_cli.errors import BadArgumentError
from earshot_topology import streams

DAY_S = 86_400.0
_GIB = float(1 << 30)


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
    bounds = tuple(bounds_of(fleet, figures, assumed))
    fullest = max(bound.share for bound in bounds if bound.decides)
    wanted = cells or max(1, math.ceil(fullest / assumed.full))
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

        # An autoscaler starts as many as its triggers ask for, whether or not they have work, and no fewer than always stand ready.
        either = max(by_cpu, by_keda)
        standing = max(
            int(assumed.standing_least) * cells, math.ceil(pods(fleet.peak_turns_per_s, by_cpu) * assumed.standing)
        )
        yield ServiceNeed(
            service=name if spread == 1 else f"skills ({spread})",
            cores=fleet.peak_turns_per_s * per_turn * spread,
            pod_cores=pod_cores,
            pod_mib=figures.services[name].memory_mib,
            mean=max(standing, pods(fleet.mean_turns_per_s, either)) * spread,
            peak=max(standing, pods(fleet.peak_turns_per_s, either)) * spread,
            decided_by="KEDA" if by_keda > by_cpu else "CPU",
            standing=standing * spread,
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
    pods = sum(need.peak for need in services) * assumed.pod_connections
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
        "memory": math.ceil(
            connections * each_gib / max(0.1, assumed.node_memory_gib * assumed.node_memory_busy - held_gib)
        ),
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
        for bound in bounds_of(grown, figures, assumed)
        if bound.decides and bound.share / cells > 1
    ]
