"""A capacity for people, and as one JSON document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from earshot_cli.capacity.assumptions import Assumptions, meanings
from earshot_cli.capacity.bounds import Bound
from earshot_cli.capacity.deployed import Deployed
from earshot_cli.capacity.figures import Figures
from earshot_cli.capacity.model import Capacity
from earshot_cli.capacity.pods import ServiceNeed
from earshot_cli.scaling.scaledobjects import Trigger


def document(
    result: Capacity,
    figures: Figures,
    assumed: Assumptions,
    deployed: Sequence[Deployed],
    broken: list[tuple[Bound, float]],
) -> dict[str, Any]:
    """Return everything as JSON values."""
    bus = {**asdict(result.bus), "nodes": result.bus.nodes}
    bus["bounds"] = [{**asdict(bound), "share": bound.share} for bound in result.bus.bounds]
    return {
        "fleet": {
            **asdict(result.fleet),
            "mean_turns_per_s": result.fleet.mean_turns_per_s,
            "peak_turns_per_s": result.fleet.peak_turns_per_s,
        },
        "services": [{**asdict(need), "exceeds": need.exceeds} for need in result.services],
        "pods": result.pods,
        "cores": result.cores,
        "requested_cores": result.requested_cores,
        "shortages": [
            {"service": need.service, "needed": needed, "has": has, "field": field, "source": need.source, "text": text}
            for need, needed, has, field, text in _shortages(result)
        ],
        "bus": bus,
        "breaks_first": [{"name": bound.name, "kind": bound.kind, "at_devices": at} for bound, at in broken],
        "assumptions": asdict(assumed),
        "deployed": [_written(each) for each in deployed],
        "figures": figures.model_dump(mode="json"),
    }


def _written(each: Deployed) -> dict[str, Any]:
    return {
        "service": each.name,
        "cores": each.pod.cores,
        "least": each.scaling.minimum,
        "most": each.scaling.maximum,
        "triggers": [
            {"type": trigger.type, "name": trigger.name, "target": trigger.target} for trigger in each.scaling.triggers
        ],
        "source": each.source,
    }


def _shortages(result: Capacity) -> Iterator[tuple[ServiceNeed, int, int, str, str]]:
    """Yield what the manifests say too little of: of which service, how many it needs, has, by which field, in words."""
    cells = result.bus.cells
    for need in result.services:
        if need.exceeds:
            field, each = need.allowed_field, math.ceil(need.peak / cells)
            has = f"allowed {need.allowed:,} by {field} {need.allowed // cells:,}{_each(cells)}"
            text = f"{need.service} needs {need.peak:,} pods, {has}; raise with {field}: {each:,} in {need.source}"
            yield need, need.peak, need.allowed, field, text
        if need.standing > need.least:
            field, each = need.least_field, math.ceil(need.standing / cells)
            has = f"has {need.least:,} by {field} {need.least // cells:,}{_each(cells)}"
            text = f"{need.service} needs {need.standing:,} pods that always stand ready, {has}; raise with {field}: {each:,} in {need.source}"
            yield need, need.standing, need.least, field, text


def _each(cells: int) -> str:
    return f" in each of {cells} cells" if cells > 1 else ""


def renderables(
    result: Capacity,
    figures: Figures,
    assumed: Assumptions,
    deployed: Sequence[Deployed],
    broken: list[tuple[Bound, float]],
    times: float,
) -> Iterator[RenderableType]:
    """Yield what people read."""
    fleet, bus = result.fleet, result.bus
    yield (
        f"{fleet.devices:,} devices, {fleet.turns_per_day:g} turns a day each: {fleet.mean_turns_per_s:,.0f} turns a second on "
        f"average, {fleet.peak_turns_per_s:,.0f} at the busiest moment"
    )
    yield f"\nmeasured {figures.measured_at} on {figures.machine}, {figures.turns} turns"
    yield _measured(figures)
    yield "\nall cells together"
    yield _needed(result)
    for *_, text in _shortages(result):
        yield f"[bold red]! {text}[/]"
    unknown = [need.service for need in result.services if not need.modelled]
    if unknown:
        yield f"! {', '.join(unknown)}: what a turn costs there was not measured, or a trigger counts what is not known"
    yield (
        f"\n[bold]{result.pods:,} pods[/] that request {result.requested_cores:,.0f} cores and use {result.cores:,.0f}; [bold]{bus.nodes:,} NATS nodes[/]: {bus.cells} cells (by {bus.cells_by}) of "
        f"{bus.nodes_per_cell} (by {bus.decided_by}), each node with {bus.connections_per_node:,.0f} connections, "
        f"{bus.memory_gib_per_node:.1f} GiB and {bus.cores_per_node:.1f} cores in use"
    )
    yield "\nwhat a cell has only so much of, in use at the busiest moment"
    yield _bounds(bus.bounds, bus.cells)
    if bus.overloaded:
        yield (
            f"[bold red]! streams take {bus.stream_cores_per_node:.1f} cores of each node that holds them, more than bus_busy of "
            f"its {assumed.node_cores:g}: more nodes don't help; split the fleet over more cells, or take larger nodes[/]"
        )
    if broken:
        bound, at = broken[0]
        yield (
            f"\n[bold]{times:g} times the devices in the same cells: {bound.name} breaks first, at {at:,.0f} devices[/] "
            f"({bound.kind}); then {', '.join(f'{each.name} at {when:,.0f}' for each, when in broken[1:4]) or 'nothing'}"
        )
    yield "\ndeployed (--base; --assume SERVICE.target=, .cores=, .slots=, .least=, .most=VALUE)"
    yield _deployed(deployed)
    yield "\nassumed (--assume NAME=VALUE)"
    yield _assumed(assumed)


def _measured(figures: Figures) -> Table:
    table = Table("service", box=None, padding=(0, 2))
    for heading in ("CPU ms a turn", "memory MiB", "start s"):
        table.add_column(heading, justify="right")
    for name, each in figures.services.items():
        table.add_row(name, f"{each.cpu_s_per_turn * 1e3:.1f}", f"{each.memory_mib:.0f}", f"{each.start_s:.1f}")
    bus = figures.bus
    table.add_row("nats-server", f"{bus.cpu_s_per_turn * 1e3:.1f}", f"{bus.memory_mib:.0f}", "")
    table.caption = (
        f"asr: {figures.asr_cpu_s_per_audio_s * 1e3:.0f} ms CPU a second of sound, {figures.utterance_s:.1f} s an utterance. "
        f"A connection: {bus.memory_kib_per_connection:.0f} KiB, {bus.cpu_s_per_connect * 1e3:.2f} ms CPU to connect, "
        f"{bus.cpu_s_per_delivery * 1e6:.0f} µs a message ({bus.connections} connected). "
        f"The leader of a stream with three copies: {bus.stream_writes_per_s:,.0f} messages a second in a file, "
        f"{bus.memory_stream_writes_per_s:,.0f} frames in memory; three copies of a turn cost {bus.copy_cost:.1f} times one"
    )
    table.caption_justify = "left"
    return table


def _needed(result: Capacity) -> Table:
    table = Table("service", box=None, padding=(0, 2))
    for heading in ("cores used at peak", "requested", "pods, mean", "pods, peak", "by", "allowed", "always ready"):
        table.add_column(heading, justify="right")
    short = {need.service: has for need, _, has, _, _ in _shortages(result)}
    for need in result.services:
        table.add_row(
            need.service,
            f"{need.cores:,.1f}",
            f"{need.peak * need.pod_cores:,.1f}",
            f"{need.mean:,}",
            f"{need.peak:,}",
            need.decided_by,
            f"{need.allowed:,}{' !' if need.exceeds else ''}",
            f"{need.standing:,}{' !' if need.standing > need.least else ''}",
            style="bold red" if need.service in short else None,
        )
    return table


def _deployed(deployed: Sequence[Deployed]) -> Table:
    table = Table("service", box=None, padding=(0, 2))
    for heading in ("cores", "least", "most"):
        table.add_column(heading, justify="right")
    table.add_column("one more pod for each")
    for each in deployed:
        triggers = ", ".join(f"{trigger.name or trigger.type} {_aim(trigger)}" for trigger in each.scaling.triggers)
        table.add_row(each.name, f"{each.pod.cores:g}", f"{each.scaling.minimum}", f"{each.scaling.maximum}", triggers)
    return table


def _aim(trigger: Trigger) -> str:
    return f"{trigger.target:.0%}" if trigger.type == "cpu" else f"{trigger.target:g}"


def _bounds(bounds: tuple[Bound, ...], cells: int) -> Table:
    table = Table("bound", box=None, padding=(0, 2))
    for heading in ("of it", "limit"):
        table.add_column(heading, justify="right")
    table.add_column("when it is reached")
    for bound in bounds:
        table.add_row(bound.name, f"{bound.share / cells:.0%}", f"{bound.limit:,.0f}", bound.kind)
    return table


def _assumed(assumed: Assumptions) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=False)
    for name, meaning in meanings().items():
        table.add_row(name, f"{getattr(assumed, name):g}", meaning)
    return table
