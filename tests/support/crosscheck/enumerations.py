"""Words: fields that take only certain ones, which the schemas leave open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from support.crosscheck.cluster import Cluster

_WORDS = {
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "fsGroupChangePolicy": {"OnRootMismatch", "Always"},
    "imagePullPolicy": {"IfNotPresent", "Always", "Never"},
    "metricType": {"AverageValue", "Value", "Utilization"},
    "policyTypes": {"Ingress", "Egress"},
    "protocol": {"TCP", "UDP", "HTTP", "HTTPS", "TLS"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "selectPolicy": {"Max", "Min", "Disabled"},
    "terminationMessagePolicy": {"File", "FallbackToLogsOnError"},
    "topologyKey": {"topology.kubernetes.io/zone", "kubernetes.io/hostname"},
    "unhealthyPodEvictionPolicy": {"AlwaysAllow", "IfHealthyBudget"},
    "whenUnsatisfiable": {"ScheduleAnyway", "DoNotSchedule"},
}
_TYPES = {
    "strategy": {"RollingUpdate", "Recreate"},
    "updateStrategy": {"RollingUpdate", "OnDelete"},
    "seccompProfile": {"RuntimeDefault"},
}
_SHARE = re.compile(r"\d{1,2}%|100%")


def check(cluster: Cluster) -> Iterator[str]:
    """Yield words that a field does not take."""
    for each in cluster.objects:
        if each["kind"] != "ConfigMap":
            who = f"{each['kind']} {each['metadata']['name']}"
            yield from (f"{who}: {said}" for said in _within(each))


def _within(content: Any) -> Iterator[str]:
    if isinstance(content, list):
        for each in content:
            yield from _within(each)
    if not isinstance(content, dict):
        return
    for name, value in content.items():
        values = value if isinstance(value, list) else [value]
        if name in _WORDS and any(isinstance(each, str) and each not in _WORDS[name] for each in values):
            yield f"{name}: {value}"
        if name in _TYPES and isinstance(value, dict) and value.get("type", "RollingUpdate") not in _TYPES[name]:
            yield f"{name}: {value}"
        if name in {"maxSurge", "maxUnavailable"} and isinstance(value, str) and not _SHARE.fullmatch(value):
            yield f"{name}: {value}"
        if name == "maxSkew" and value < 1:
            yield f"{name}: {value}"
        yield from _within(value)
