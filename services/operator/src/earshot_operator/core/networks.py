"""Who a skill's pods may talk with: dialogue and the operator call it, it calls the bus, the scheduler and what it lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earshot_operator.core.platform import Platform
from earshot_operator.core.skill import Skill

Object = dict[str, Any]
_PORTS = {"bus": 4_222, "grpc": 50_051, "http": 8_080, "otlp": 4_317, "dns": 53}


def network_policy(skill: Skill, platform: Platform, selector: Mapping[str, str]) -> Object:
    """Return its spec: these connections and no others."""
    ingress = [
        {"from": [_pods("dialogue")], "ports": _tcp("grpc")},
        {"from": [_pods("operator")], "ports": _tcp("grpc")},
        {"from": [_namespace("monitoring")], "ports": _tcp("http")},
    ]
    egress = [
        {"to": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "nats"}}}], "ports": _tcp("bus")},
        {"to": [_pods("scheduler")], "ports": _tcp("grpc")},
        {
            "to": [_namespace("kube-system") | {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
            "ports": [{"protocol": protocol, "port": _PORTS["dns"]} for protocol in ("UDP", "TCP")],
        },
    ]
    if platform.otlp_endpoint:
        egress.append({"to": [_pods("otel-collector")], "ports": _tcp("otlp")})
    egress += [
        {
            "to": [{"ipBlock": {"cidr": each.cidr}}],
            "ports": [{"protocol": "TCP", "port": port} for port in each.ports],
        }
        for each in skill.egress
    ]
    return {
        "podSelector": {"matchLabels": dict(selector)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }


def _pods(name: str) -> Object:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "earshot"}
    return {"podSelector": {"matchLabels": labels}}


def _namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _tcp(name: str) -> list[Object]:
    return [{"protocol": "TCP", "port": _PORTS[name]}]
