"""What a run says at its end: tables for people, build/results/chaos.json for machines."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from bench.results import RESULTS, machine, table
from chaos.checker import Verdict
from chaos.running import Run

_COLUMNS = {
    "answered": Verdict.ANSWERED,
    "wrong": Verdict.WRONG,
    "apologised": Verdict.APOLOGISED,
    "silent": Verdict.SILENT,
    "lost": Verdict.LOST,
    "two_sounds": Verdict.TWO_SOUNDS,
}
_TIMERS = ("set", "rung", "missing", "doubled", "wrong")


def figures(run: Run, seed: str) -> dict[str, Any]:
    """Return a run as chaos.json holds it.

    An honest "I can't tell whether that was done" counts as answered; `unknown` says how many of those there are.
    """
    judgement = run.judgement
    unknown = judgement.count(Verdict.UNKNOWN)
    counts = {name: judgement.count(verdict) for name, verdict in _COLUMNS.items()}
    counts["answered"] += unknown
    kinds: dict[str, Counter[str]] = {}
    for fault in run.faults:
        kinds.setdefault(fault.kind, Counter())[fault.stage] += 1
    return {
        "faults": len(run.faults),
        "turns": len(run.turns),
        **counts,
        "effects_missing": judgement.effects_missing,
        "effects_doubled": judgement.effects_doubled,
        "worst_s": round(judgement.worst_s, 3),
        **{f"timers_{name}": getattr(run.timers, name) for name in _TIMERS},
        "timers_worst_late_s": round(run.timers.worst_late_s, 3),
        "unknown": unknown,
        "seed": seed,
        "seconds": round(run.seconds),
        "by_kind": {kind: dict(sorted(stages.items())) for kind, stages in sorted(kinds.items())},
    }


def write(found: dict[str, Any]) -> Path:
    """Write build/results/chaos.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / "chaos.json"
    path.write_text(json.dumps(found) + "\n")
    return path


def told(run: Run, found: dict[str, Any]) -> str:
    """Return the tables, and what may not have happened with its history."""
    stages = sorted({fault.stage for fault in run.faults})
    rows = [(kind, *(of.get(stage, "") for stage in stages), sum(of.values())) for kind, of in found["by_kind"].items()]
    parts = [
        f"{machine()}; {found['seconds']} s, seed {found['seed']}",
        table(("fault", *stages, "all"), rows),
        table(
            ("turns", *(name.replace("_", " ") for name in _COLUMNS), "missing", "doubled", "worst to sound"),
            [
                (
                    found["turns"],
                    *(found[name] for name in _COLUMNS),
                    found["effects_missing"],
                    found["effects_doubled"],
                    f"{found['worst_s']:.1f} s",
                )
            ],
        ),
    ]
    parts.append(
        table(
            ("timers: set", "rung", "missing", "doubled", "wrongly rung", "worst late"),
            [(*(found[f"timers_{name}"] for name in _TIMERS), f"{found['timers_worst_late_s']:.1f} s")],
        )
    )
    parts += [f"! {offence.what}" for offence in run.judgement.offences if offence.turn is None]
    parts += run.told
    if run.broken_off:
        parts.append(f"! {run.broken_off}")
    parts.append("passed" if run.passed else "failed")
    return "\n\n".join(parts)
