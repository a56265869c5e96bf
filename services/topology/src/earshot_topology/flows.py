"""Who opens connections to whom, declared once: network policies are made from it, and a running stack is compared with it.

A party is a service by its name, a group of them, or somebody outside. A new service or skill is in its group without a
line here; a line is needed when it calls another one directly. Skills that the operator runs have no names here: they are
hosted skills, each with the flows of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GRPC_PORT: Final = 50_051
HTTP_PORT: Final = 8_080
MEDIA_PORT: Final = 8_090
BUS_PORT: Final = 4_222
ROUTES_PORT: Final = 6_222
MONITORING_PORT: Final = 8_222
OTLP_PORT: Final = 4_317

# Groups: every service and skill; skills alone, whoever runs them; those that the operator runs; of these, who sets timers.
EVERY: Final = "every"
SKILLS: Final = "skills"
HOSTED: Final = "hosted-skills"
SCHEDULING: Final = "scheduling-skills"
# Parties that are not services of ours, but are in the cluster with them.
BUS: Final = "nats"
BUS_APPLY: Final = "bus-apply"
COLLECTOR: Final = "otel-collector"
OPERATOR: Final = "operator"
# Outside.
DEVICES: Final = "devices"
DNS: Final = "dns"
GATEWAY: Final = "gateway"
INTERNET: Final = "internet"
KEDA: Final = "keda"
KUBERNETES: Final = "kubernetes"
PROMETHEUS: Final = "prometheus"

SKILL_PREFIX: Final = "skill-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Connections that one party opens to another.

    Attributes:
        source: Who connects.
        target: Who listens.
        port: Where, as the target's pods number it.
        why: What for.
        part: The folder of deploy/components that brings it; empty: it is there in every deployment.
    """

    source: str
    target: str
    port: int
    why: str
    part: str = ""


FLOWS: Final = (
    Flow(source=EVERY, target=BUS, port=BUS_PORT, why="everything but gRPC calls"),
    Flow(source=EVERY, target=DNS, port=53, why="names of services"),
    Flow(source="asr", target="tts", port=GRPC_PORT, why="pronunciations of words that no dictionary has"),
    Flow(source="dialogue", target=SKILLS, port=GRPC_PORT, why="skill calls"),
    Flow(source="skill-timers", target="scheduler", port=GRPC_PORT, why="timers and alarms"),
    Flow(source=SCHEDULING, target="scheduler", port=GRPC_PORT, why="timers and alarms of theirs"),
    Flow(source="skill-weather", target=INTERNET, port=443, why="forecasts"),
    # The stack on one machine asks for health at the same place.
    Flow(source=PROMETHEUS, target=EVERY, port=HTTP_PORT, why="metrics"),
    Flow(source=EVERY, target=COLLECTOR, port=OTLP_PORT, why="spans", part="otel"),
    Flow(source=COLLECTOR, target=DNS, port=53, why="the name of its backend", part="otel"),
    Flow(source=COLLECTOR, target=INTERNET, port=443, why="spans, to where they are kept", part="otel"),
    Flow(source=BUS_APPLY, target=BUS, port=BUS_PORT, why="streams, consumers and buckets", part="bus-apply"),
    Flow(source=BUS_APPLY, target=DNS, port=53, why="the bus's name", part="bus-apply"),
    Flow(source=DEVICES, target=BUS, port=BUS_PORT, why="what devices say and are told", part="devices"),
    Flow(source=BUS, target=BUS, port=ROUTES_PORT, why="routes of a cluster", part="bus"),
    Flow(source=BUS, target=DNS, port=53, why="names of its nodes", part="bus"),
    Flow(source=KEDA, target=BUS, port=MONITORING_PORT, why="lag of consumers", part="bus"),
    Flow(source=GATEWAY, target="dialogue", port=GRPC_PORT, why="typed turns", part="gateway-typed"),
    Flow(source=GATEWAY, target="skill-music", port=MEDIA_PORT, why="music, to devices", part="gateway-api"),
    Flow(source=OPERATOR, target=KUBERNETES, port=443, why="what it watches and makes", part="operator"),
    Flow(source=OPERATOR, target=BUS, port=BUS_PORT, why="registrations of skills", part="operator"),
    Flow(source=OPERATOR, target=HOSTED, port=GRPC_PORT, why="Describe", part="operator"),
    Flow(source=OPERATOR, target=DNS, port=53, why="names of services", part="operator"),
    Flow(source=PROMETHEUS, target=OPERATOR, port=HTTP_PORT, why="metrics", part="operator"),
    Flow(source=OPERATOR, target=COLLECTOR, port=OTLP_PORT, why="spans", part="otel"),
)

_OURS_ALONE: Final = frozenset(
    {BUS, BUS_APPLY, COLLECTOR, OPERATOR, DEVICES, DNS, GATEWAY, INTERNET, KEDA, KUBERNETES, PROMETHEUS}
)
_GROUPS: Final = frozenset({EVERY, SKILLS, HOSTED, SCHEDULING})

# No pods: they are known by addresses, which an overlay knows better. Each has a policy of its own, for an overlay to replace.
BY_ADDRESS: Final = frozenset({DEVICES, KUBERNETES})


def is_service(party: str) -> bool:
    """Tell whether a party is a service or skill, and no group."""
    return party not in _OURS_ALONE and party not in _GROUPS


def belongs(party: str, group: str) -> bool:
    """Tell whether a party is meant by a name in a flow: its own, or its group's. Hosted skills are within groups, too."""
    if party == group:
        return True
    if party == SCHEDULING:
        return belongs(HOSTED, group)
    if group == SKILLS:
        return party == HOSTED or party.startswith(SKILL_PREFIX)
    return group == EVERY and (party == HOSTED or is_service(party))


def of(party: str, part: str = "") -> tuple[tuple[Flow, ...], tuple[Flow, ...]]:
    """Return the flows to and from a party, but for those of `BY_ADDRESS`.

    Args:
        party: A service or another party, or those of the hosted skills.
        part: For services and skills: whose flows; empty: those of every deployment. Other parties have all of theirs.
    """
    flows = [
        flow
        for flow in FLOWS
        if (flow.part == part or party in _OURS_ALONE) and not BY_ADDRESS & {flow.source, flow.target}
    ]
    return (
        tuple(flow for flow in flows if belongs(party, flow.target)),
        tuple(flow for flow in flows if belongs(party, flow.source)),
    )
