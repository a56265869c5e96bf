"""Whether rendered NetworkPolicies let a connection through, as Kubernetes says that they do.

A pod that any policy selects for a direction is cut off in it but for what one of its policies lets through; a connection needs
leave at both ends. Selectors of pods and namespaces, ports by number, and CIDR blocks are understood; nothing else is used.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from support.manifests import Object, of_kind, selects

NAMESPACE = "earshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A pod with its labels in a namespace, or an address outside the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str = ""


def allowed(objects: Iterable[Object], source: Party, target: Party, port: int, protocol: str = "TCP") -> bool:
    """Tell whether a connection gets through."""
    policies = of_kind(objects, "NetworkPolicy")
    return _side(policies, source, target, ("Egress", "to"), (port, protocol)) and _side(
        policies, target, source, ("Ingress", "from"), (port, protocol)
    )


def _side(
    policies: Iterable[Object], party: Party, other: Party, direction: tuple[str, str], where: tuple[int, str]
) -> bool:
    if party.address or party.namespace != NAMESPACE:
        return True
    kind, peers = direction
    concerned = [
        policy["spec"]
        for policy in policies
        if kind in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], dict(party.labels))
    ]
    if not concerned:
        return True
    return any(
        _ports(rule, where) and _peers(rule.get(peers), other)
        for spec in concerned
        for rule in spec.get(kind.lower(), [])
    )


def _ports(rule: Object, where: tuple[int, str]) -> bool:
    ports = rule.get("ports")
    return ports is None or where in {(each["port"], each["protocol"]) for each in ports}


def _peers(peers: list[Object] | None, other: Party) -> bool:
    return peers is None or any(_peer(each, other) for each in peers)


def _peer(peer: Object, other: Party) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        address = ipaddress.ip_address(other.address or "10.0.0.1")
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(hole) for hole in block.get("except", []))
    if other.address:
        return False
    namespaces = peer.get("namespaceSelector")
    if namespaces is None and other.namespace != NAMESPACE:
        return False
    if namespaces is not None and not selects(namespaces, {"kubernetes.io/metadata.name": other.namespace}):
        return False
    pods = peer.get("podSelector")
    return pods is None or selects(pods, dict(other.labels))
