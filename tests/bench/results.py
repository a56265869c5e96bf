"""How benchmarks report: percentiles, tables, one flat JSON object a target."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "build" / "results"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def write(target: str, figures: dict[str, float | int | None]) -> Path:
    """Write build/results/<target>.json; what could not be measured is null."""
    return write_document(target, {name: _rounded(value) for name, value in figures.items()})


def write_document(target: str, document: Mapping[str, object]) -> Path:
    """Write build/results/<target>.json of any JSON values."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{target}.json"
    path.write_text(json.dumps(document, allow_nan=False) + "\n")
    return path


def _rounded(value: float | None) -> float | None:
    if not isinstance(value, float):
        return value
    return round(value, 3) if math.isfinite(value) else None


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in plain text."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def machine() -> str:
    """Return one line about the machine at this moment."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"
