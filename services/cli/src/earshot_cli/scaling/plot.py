"""A burst as a picture: who speaks, who is ready, and how long people wait. Plain SVG, without a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from earshot_cli.scaling.fleet import Run
from earshot_cli.scaling.simulate import LIMIT_S, Scenario, quantile

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _GAP = 900, 170, 70, 20, 46
_BIN_S = 10.0
_COLOURS = ("#1b6ca8", "#c44536", "#3a7d44", "#8f5fa8", "#c98b1b")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    title: str
    lines: Sequence[tuple[str, Points]]
    limit: float | None = None

    @property
    def highest(self) -> float:
        """Return the top of its scale."""
        values = [value for _, points in self.lines for _, value in points]
        return max([*values, self.limit or 0.0, 1e-9]) * 1.1


def svg(run: Run, scenario: Scenario, arrivals: Sequence[float], title: str) -> str:
    """Draw a run: turns a second, pods that are ready, and the 95th percentile of the time to first audio."""
    panels = (
        _Panel(title="turns a second", lines=[("turns", _rate(arrivals, scenario.seconds))]),
        _Panel(
            title="pods that are ready",
            lines=[(name, [(point.at, point.ready) for point in points]) for name, points in run.points.items()],
        ),
        _Panel(
            title="first audio, 95th percentile, seconds",
            lines=[("p95", _p95(run, scenario.seconds))],
            limit=LIMIT_S,
        ),
    )
    height = len(panels) * (_HEIGHT + _GAP) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for index, panel in enumerate(panels):
        parts += _drawn(panel, 44 + index * (_HEIGHT + _GAP), scenario)
    return "\n".join([*parts, "</svg>", ""])


def _drawn(panel: _Panel, top: float, scenario: Scenario) -> list[str]:
    def x(at: float) -> float:
        return _LEFT + at / scenario.seconds * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return top + _HEIGHT * (1 - min(1.0, value / panel.highest))

    burst = x(scenario.begins_s), x(scenario.begins_s + 2 * scenario.within_s + scenario.lasts_s)
    parts = [
        f'<rect x="{burst[0]:.1f}" y="{top}" width="{burst[1] - burst[0]:.1f}" height="{_HEIGHT}" fill="#f2efe6"/>',
        f'<text x="{_LEFT}" y="{top - 5}">{escape(panel.title)}</text>',
        f'<path d="M{_LEFT} {top}V{top + _HEIGHT}H{_WIDTH - _RIGHT}" fill="none" stroke="#555"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        value = panel.highest / 1.1 * share
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    parts += [
        f'<text x="{x(minute * 60):.1f}" y="{top + _HEIGHT + 15}" text-anchor="middle">{minute} min</text>'
        for minute in range(0, int(scenario.seconds / 60) + 1, 2)
    ]
    if panel.limit is not None:
        parts.append(
            f'<path d="M{_LEFT} {y(panel.limit):.1f}H{_WIDTH - _RIGHT}" stroke="#c44536" stroke-dasharray="5 4"/>'
        )
    for number, (name, points) in enumerate(panel.lines):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if len(panel.lines) > 1:
            across = _WIDTH - _RIGHT - 70 * (len(panel.lines) - number)
            parts.append(f'<text x="{across}" y="{top - 5}" fill="{colour}">{escape(name)}</text>')
    return parts


def _rate(arrivals: Sequence[float], seconds: float) -> Points:
    counts = [0] * (int(seconds / _BIN_S) + 1)
    for at in arrivals:
        counts[int(at / _BIN_S)] += 1
    return [((index + 0.5) * _BIN_S, count / _BIN_S) for index, count in enumerate(counts[:-1])]


def _p95(run: Run, seconds: float) -> Points:
    bins: list[list[float]] = [[] for _ in range(int(seconds / _BIN_S) + 1)]
    for turn in run.heard:
        bins[int(turn.began / _BIN_S)].append(turn.first_audio_s)
    return [((index + 0.5) * _BIN_S, quantile(values, 0.95)) for index, values in enumerate(bins) if values]
