"""Tables of what runs and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from earshot_cli.cluster.buses import Lag
from earshot_cli.cluster.findings import Finding, Result
from earshot_cli.cluster.workloads import SkillFact, Workload

_COLOURS = {Result.OK: "green", Result.WARNING: "yellow", Result.FAILED: "red", Result.SKIPPED: "dim"}


def services(found: Sequence[Workload]) -> Table:
    """Return the table of services."""
    table = _table("service", "version", "ready", "rollout", "on")
    for each in found:
        rollout = each.state if each.state == "done" else f"{each.state}: {each.why}"
        nodes = sorted({pod.node for pod in each.pods if pod.node})
        version = each.version
        if set(each.versions) - {each.version}:
            version += f" ({', '.join(f'{count} × {name}' for name, count in sorted(each.versions.items()))})"
        restarts = sum(pod.restarts for pod in each.pods)
        ready = f"{each.ready}/{each.wanted}" + (f", {restarts} restarts" if restarts else "")
        table.add_row(each.name, version, ready, rollout, ", ".join(nodes))
    return table


def skills(found: Sequence[SkillFact]) -> Table:
    """Return the table of Skills."""
    table = _table("skill", "version", "ready", "state", "")
    for each in found:
        table.add_row(each.name, each.version, str(each.ready), each.degraded or each.progress, each.message)
    return table


def lags(found: Sequence[Lag]) -> Table:
    """Return the table of consumers."""
    table = _table("consumer", "waiting", "in progress")
    for each in found:
        table.add_row(f"{each.stream}/{each.durable}", str(each.pending), str(each.in_progress))
    return table


def findings(found: Iterable[Finding]) -> Table:
    """Return the doctor's table."""
    table = _table("", "check", "")
    for each in found:
        table.add_row(Text(each.result.value, style=_COLOURS[each.result]), each.check, each.message)
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    return table
