"""A simulation for people, and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from earshot_cli.scaling.fleet import Run, ServiceSpec
from earshot_cli.scaling.simulate import Headroom, Scenario, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day's load, with the same ScaledObjects."""

    turns: int
    p95_s: float
    pod_hours: dict[str, float]
    peak: dict[str, int]
    changes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Everything that was simulated."""

    scenario: Scenario
    specs: Sequence[ServiceSpec]
    verdicts: Sequence[Verdict]
    headrooms: Sequence[Headroom]
    tried: Sequence[tuple[int, Sequence[Verdict]]]
    day: Day | None

    @property
    def holds(self) -> bool:
        """Whether every burst held."""
        return all(verdict.holds for verdict in self.verdicts)


def day_of(run: Run) -> Day:
    """Sum a day up."""
    times = sorted(turn.first_audio_s for turn in run.heard)
    return Day(
        turns=len(times),
        p95_s=times[int(len(times) * 0.95)],
        pod_hours={name: seconds / 3600 for name, seconds in run.pod_s.items()},
        peak={name: max(point.ready for point in points) for name, points in run.points.items()},
        changes=run.changes,
    )


def document(found: Simulated) -> dict[str, Any]:
    """Return everything as JSON values."""
    return {
        "holds": found.holds,
        "scenario": {**asdict(found.scenario), "recorded": len(found.scenario.recorded)},
        "bursts": [{**asdict(verdict), "holds": verdict.holds} for verdict in found.verdicts],
        "headroom": [{**asdict(each), "spare": each.spare, "factor": each.factor} for each in found.headrooms],
        "minima": [
            {"asr": minimum, "worst_p95_s": max(each.worst_p95_s for each in verdicts)}
            for minimum, verdicts in found.tried
        ],
        "day": asdict(found.day) if found.day else None,
    }


def bursts(found: Simulated) -> Table:
    """Show how the bursts sounded."""
    table = Table("burst", box=None, padding=(0, 2))
    for heading in ("turns", "p50 s", "p95 s", "judged", "worst half minute's p95 s", "later than 2 s", ""):
        table.add_column(heading, justify="right")
    for number, each in enumerate(found.verdicts, 1):
        table.add_row(
            f"seed {found.scenario.seed + number - 1}",
            f"{each.turns:,}",
            f"{each.p50_s:.2f}",
            f"{each.p95_s:.2f}",
            f"{each.judged} half minutes",
            f"{each.worst_p95_s:.2f} at {each.worst_at_s:.0f} s",
            f"{each.late / each.turns:.2%}",
            "holds" if each.holds else "[bold red]does not hold[/]",
        )
    return table


def headroom(found: Simulated) -> Table:
    """Show what stood ready before the burst, and what it came to."""
    table = Table("service", box=None, padding=(0, 2))
    for heading in (
        "target a pod",
        "ready before",
        "busy before",
        "headroom",
        "needed at the peak",
        "standing",
        "most",
    ):
        table.add_column(heading, justify="right")
    for spec, each in zip(found.specs, found.headrooms, strict=True):
        targets = ", ".join(f"{trigger.target:g}" for trigger in spec.scaling.triggers)
        table.add_row(
            each.service,
            targets,
            str(each.ready),
            f"{each.needed_before:.2f}",
            f"{each.factor:.1f} x",
            f"{each.needed_at_peak:.2f}",
            f"{each.standing:.0%}",
            str(each.peak),
        )
    return table


def minima(found: Simulated, configured: int) -> Table:
    """Show what fewer recognisers, and more, come to."""
    table = Table("asr pods that always stand ready", box=None, padding=(0, 2))
    for heading in ("worst half minute's p95 s", ""):
        table.add_column(heading, justify="right")
    for minimum, verdicts in found.tried:
        worst = max(each.worst_p95_s for each in verdicts)
        mark = " (configured)" if minimum == configured else ""
        table.add_row(f"{minimum}{mark}", f"{worst:.2f}", "holds" if all(each.holds for each in verdicts) else "")
    return table


def day(found: Day) -> Table:
    """Show a day."""
    table = Table("service", box=None, padding=(0, 2))
    for heading in ("pod hours a day", "most pods", "changes"):
        table.add_column(heading, justify="right")
    for name, hours in found.pod_hours.items():
        table.add_row(name, f"{hours:.0f}", str(found.peak[name]), str(found.changes[name]))
    return table
