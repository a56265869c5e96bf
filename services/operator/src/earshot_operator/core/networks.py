"""Who a skill's pods may talk with: what is declared of every skill, and what this one lists."""

from __future__ import annotations

from typing import Any

from earshot_operator.core.skill import Skill
from earshot_topology.flows import GRPC_PORT
from earshot_topology.policies import PART_OF
from earshot_topology.policies import network_policy as declared

Object = dict[str, Any]
_GRPC = {"protocol": "TCP", "port": GRPC_PORT}


def network_policy(skill: Skill) -> Object:
    """Return its spec. What components add to every skill, they add to this one, too: it is labelled as one."""
    spec: Object = declared(skill.name)["spec"]
    listed = [
        {
            "to": [{"ipBlock": {"cidr": each.cidr}}],
            "ports": [{"protocol": "TCP", "port": port} for port in each.ports],
        }
        for each in skill.egress
    ]
    if skill.scheduler:
        listed.append({"to": [_pods("scheduler")], "ports": [_GRPC]})
    return spec | {"egress": [*spec["egress"], *listed]}


def scheduler_policy(skill: Skill) -> Object:
    """Return the spec of what lets it in at the scheduler."""
    return {
        "podSelector": _pods("scheduler")["podSelector"],
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [_pods(skill.name)], "ports": [_GRPC]}],
    }


def _pods(name: str) -> Object:
    return {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name, **PART_OF}}}
