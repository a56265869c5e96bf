"""Who a skill's pods may talk with: what is declared of every skill, and what this one lists."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from earshot_operator.core.skill import Skill
from earshot_topology.policies import PRIVATE, PRIVATE_6, hosted_policy

Object = dict[str, Any]
_CLOSED: Final = tuple(ip_network(each) for each in (*PRIVATE, *PRIVATE_6))


def network_policy(skill: Skill) -> Object:
    """Return its spec. What components add to every skill, they add to this one, too: it is labelled as one."""
    spec: Object = hosted_policy(skill.name, scheduling=skill.scheduler)["spec"]
    listed = [
        {
            "to": [{"ipBlock": _block(each.cidr)}],
            "ports": [{"protocol": "TCP", "port": port} for port in each.ports],
        }
        for each in skill.egress
    ]
    return spec | {"egress": [*spec["egress"], *listed]}


def _block(cidr: str) -> Object:
    """Return a block of addresses without the private ranges inside it: the API server, nodes and their metadata are there."""
    block = ip_network(cidr, strict=False)
    closed = [str(each) for each in _CLOSED if each != block and _is_within(each, block)]
    return {"cidr": cidr, **({"except": closed} if closed else {})}


def _is_within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.version == outer.version and inner.network_address in outer and inner.prefixlen >= outer.prefixlen
