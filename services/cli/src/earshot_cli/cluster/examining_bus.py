"""Looks at the servers of a cluster's bus, and at what they hold against what is declared: without any credential of the bus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from earshot_cli.cluster import buses, workloads
from earshot_cli.cluster.access import Cluster, ClusterUnreachableError, ForbiddenError
from earshot_cli.cluster.findings import CONTROL_LINE, NATS, Finding, Result, at_least, clock
from earshot_cli.cluster.forwarding import PodUnreachableError
from earshot_cli.errors import CliError

if TYPE_CHECKING:
    from earshot_topology.drift import Drift


def examine(cluster: Cluster, *, replicas: int, compared: bool) -> list[Finding]:
    """Look at the servers of the bus, and at what they hold.

    Args:
        cluster: Where they run.
        replicas: Copies of everything that there are to be, 1 or 3; 0: as many as the ConfigMap "bus" says.
        compared: Whether to compare it with what is declared; False: somebody else does.
    """
    findings = []
    try:
        wanted = workloads.bus_replicas(cluster.find(cluster.within("v1", "configmaps/bus")))
        if wanted is None:
            message = (
                "no ConfigMap bus says how many copies there are of everything: kubectl apply -k deploy/overlays/…"
            )
            findings.append(Finding(check="nats", result=Result.WARNING, message=message))
        account = workloads.bus_account(cluster.find(cluster.within("v1", "configmaps/bus-trust")))
        found = buses.servers(cluster)
    except CliError as error:
        return [*findings, _not_asked(error), *([_NOT_COMPARED] if compared else [])]
    findings += _nats(found, wanted)
    if not compared:
        return findings
    if not any(server.jetstream for server in found):
        return [*findings, _NOT_COMPARED]
    copies = replicas or wanted or (3 if found[0].clustered else 1)
    return [*findings, *against_declared(buses.differences(found, account, copies))]


def against_declared(drifts: Iterable[Drift]) -> Iterator[Finding]:
    """Yield how a bus differs from what is declared."""
    lines = [line for drift in drifts for line in drift.lines()]
    if not lines:
        yield Finding(check="bus", result=Result.OK, message="the bus holds what is declared")
    for line in lines:
        yield Finding(check="bus", result=Result.FAILED, message=f"{line} (earshot bus apply)")


_NOT_COMPARED = Finding(
    check="bus",
    result=Result.SKIPPED,
    message="streams and consumers were NOT compared with what is declared: give --url and --credentials of the bus",
)


def _not_asked(error: CliError) -> Finding:
    if isinstance(error, ForbiddenError):
        return Finding(check="nats", result=Result.SKIPPED, message=str(error))
    hint = ""
    if isinstance(error, PodUnreachableError):
        hint = ": its monitoring is off, or it is no nats-server of ours"
    elif isinstance(error, ClusterUnreachableError):
        hint = (
            ": if the pod is ready, a network policy keeps the API server's proxy from port 8222; "
            "with the right to get pods/portforward the doctor takes another way (docs/deploy.md)"
        )
    return Finding(check="nats", result=Result.FAILED, message=f"{error}{hint}")


def _nats(found: list[buses.Server], wanted: int | None) -> Iterator[Finding]:
    if not found:
        message = "no nats-server runs in this namespace; earshot bus diff --url … looks at one elsewhere"
        yield Finding(check="nats", result=Result.WARNING, message=message)
    elif wanted is not None and len(found) < wanted:
        message = (
            f"{len(found)} nats-server{'s run' if len(found) > 1 else ' runs'}, and there are to be {wanted} copies"
        )
        yield Finding(check="nats", result=Result.FAILED, message=f"{message} (ConfigMap bus, replicas)")
    for server in found:
        yield from _server(server)
    if len({server.version for server in found}) > 1:
        versions = ", ".join(sorted({server.version for server in found}))
        yield Finding(check="nats", result=Result.WARNING, message=f"the servers are of different versions: {versions}")


def _server(server: buses.Server) -> Iterator[Finding]:
    yield at_least("nats", f"{server.pod}: nats-server", server.version, NATS)
    if not server.jetstream:
        yield Finding(check="nats", result=Result.FAILED, message=f"{server.pod}: JetStream is off")
    if server.control_line < CONTROL_LINE:
        message = f"{server.pod}: max_control_line is {server.control_line}; users with many rights can't connect: 32KB"
        yield Finding(check="nats", result=Result.FAILED, message=message)
    yield clock(f"{server.pod}'s clock", server.ahead_s, server.unsure_s)
