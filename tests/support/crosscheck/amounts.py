"""Amounts: quantities are ones, limits are not below requests, and what a program is told of its memory fits into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from support.crosscheck.cluster import Cluster, Container

_MIB, _GIB = 1 << 20, 1 << 30
# What a container of ours asks for is more than that and less than this: else a unit is wrong.
_PLAUSIBLE = {
    "cpu": (Decimal("0.005"), Decimal(8)),
    "memory": (Decimal(16 * _MIB), Decimal(16 * _GIB)),
    "ephemeral-storage": (Decimal(_MIB), Decimal(100 * _GIB)),
    "storage": (Decimal(_MIB), Decimal(1000 * _GIB)),
    "sizeLimit": (Decimal(_MIB), Decimal(16 * _GIB)),
}
_UNITS = {"KiB": 1 << 10, "MiB": _MIB, "GiB": _GIB}


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with amounts."""
    for each in cluster.containers:
        resources = each.spec.get("resources", {})
        yield from (f"{each.who}: {said}" for said in _resources(resources))
        for name, volume in each.volumes.items():
            if "sizeLimit" in volume.get("emptyDir", {}):
                _, said = _amount("sizeLimit", volume["emptyDir"]["sizeLimit"])
                yield from (f"{each.who}: volume {name}: {one}" for one in said)
        yield from (f"{each.who}: {said}" for said in _told(each))
    claims = [(each["metadata"]["name"], each["spec"]) for each in cluster.of_kind("PersistentVolumeClaim")]
    for workload in cluster.of_kind("StatefulSet"):
        claims += [
            (each["metadata"]["name"], each["spec"]) for each in workload["spec"].get("volumeClaimTemplates", [])
        ]
    for name, spec in claims:
        yield from (f"claim {name}: {said}" for said in _resources(spec["resources"]))


def _resources(resources: dict[str, dict[str, str]]) -> Iterator[str]:
    read: dict[tuple[str, str], Decimal] = {}
    for kind, amounts in resources.items():
        for name, quantity in amounts.items():
            amount, said = _amount(name, quantity)
            yield from (f"{kind}: {one}" for one in said)
            if amount is not None:
                read[kind, name] = amount
    for (kind, name), amount in read.items():
        if kind == "limits" and amount < read.get(("requests", name), amount):
            yield f"the limit of {name} is below its request"


def _parsed(quantity: str) -> Decimal:
    from kubernetes.utils.quantity import parse_quantity  # noqa: PLC0415 - slow to import

    return Decimal(parse_quantity(quantity))


def _amount(name: str, quantity: str) -> tuple[Decimal | None, list[str]]:
    try:
        amount = _parsed(quantity)
    except ValueError:
        return None, [f"{name}: {quantity} is no quantity"]
    if name not in _PLAUSIBLE:
        return None, [f"nobody knows {name}"]
    low, high = _PLAUSIBLE[name]
    return amount, [] if low <= amount <= high else [f"{name}: {quantity} is implausible"]


def _told(container: Container) -> Iterator[str]:
    limit = container.spec.get("resources", {}).get("limits", {}).get("memory")
    said = container.variables.get("GOMEMLIMIT")
    if said is None or limit is None:
        return
    found = re.fullmatch(r"(\d+)([KMG]iB)", said)
    if found is None:
        yield f"GOMEMLIMIT: {said} is no amount"
        return
    goal, most = int(found[1]) * _UNITS[found[2]], _parsed(limit)
    stored = [int(each) for _, text in container.configured() for each in re.findall(r"max_memory_store: (\d+)", text)]
    if not sum(stored) < goal < most:
        yield f"GOMEMLIMIT {said} is not between what is stored and the limit"
