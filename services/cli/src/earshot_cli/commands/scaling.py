"""earshot scaling: whether the ScaledObjects carry a burst, and what that takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earshot_cli.commands.capacity import BASE, FiguresFile, obtain
from earshot_cli.errors import BadArgumentError
from earshot_cli.options import Json
from earshot_cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot_cli.capacity.figures import Figures
    from earshot_cli.scaling.fleet import Run, ServiceSpec
    from earshot_cli.scaling.report import Simulated
    from earshot_cli.scaling.simulate import Scenario

_DAY_SHARE = 0.5
_MORE = 2
# Much less than a burst takes to come: a copy of it comes as fast.
_APART_S = 5.0


def scaling(
    *,
    base: Annotated[Path, typer.Option("--base", help="Folder with <service>/scaledobject.yaml.")] = BASE,
    figures: FiguresFile = None,
    rate: Annotated[float, typer.Option("--rate", help="Turns a second before the burst.")] = 2.0,
    factor: Annotated[float, typer.Option("--factor", help="How many times as many come.")] = 10.0,
    within: Annotated[float, typer.Option("--within", help="Seconds in which they come.")] = 60.0,
    lasts: Annotated[float, typer.Option("--lasts", help="Seconds for which they stay.")] = 300.0,
    seeds: Annotated[int, typer.Option("--seeds", help="How many bursts are drawn.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="The first one's seed.")] = 1,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--recording",
            help="When utterances began, seconds, one a line (earshot turns --begun); instead of a burst.",
        ),
    ] = None,
    copies: Annotated[int, typer.Option("--copies", help="As many fleets side by side as were recorded.")] = 1,
    plot: Annotated[Path | None, typer.Option("--plot", help="SVG file to draw the first burst in.")] = None,
    whole_day: Annotated[bool, typer.Option("--day/--no-day", help="Simulate a day, too.")] = True,
    minima: Annotated[
        bool, typer.Option("--minima/--no-minima", help="Try fewer and more pods of the recogniser, too.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Simulate KEDA and the HorizontalPodAutoscaler over a burst, with deploy/base and measured costs. Exits 1 when it does not hold.

    Every half minute's 95th percentile of the time from the end of speech to the first audio has to be 2 s at most.
    """
    from earshot_cli.scaling import load, report, scaledobjects, simulate  # noqa: PLC0415 - what other commands don't need
    from earshot_cli.scaling.plot import svg  # noqa: PLC0415

    if not (rate > 0 and factor >= 1 and within > 0 and lasts > 0 and seeds > 0 and copies > 0):
        raise BadArgumentError("rate, within, lasts, seeds and copies have to be above 0, and factor at least 1")
    if copies > 1 and recording is None:
        raise BadArgumentError("--copies are of a --recording; a burst that is drawn has a --rate")
    output = Output(as_json=as_json)
    described = scaledobjects.read(base)
    found = obtain(figures, None, output)
    specs = simulate.services(found, described)
    scenario = simulate.Scenario(base=rate, factor=factor, within_s=within, lasts_s=lasts, seed=seed)
    title = f"{rate:g} turns a second, {factor:g} times as many within {within:g} s"
    if recording is not None:
        times = load.copied(load.recorded(recording), copies, within_s=_APART_S, seed=seed)
        scenario = simulate.of_recording(times, seed)
        title = f"{len(times):,} utterances, as they began ({recording.name}{f' x {copies}' if copies > 1 else ''})"
    result, drawing = _bursts(specs, found, scenario, seeds, whole_day=whole_day and recording is None, minima=minima)
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        first, arrivals = drawing
        plot.write_text(svg(first, scenario, arrivals, title))
    _show(result, found, output)
    output.document(report.document(result))
    if not result.holds:
        raise typer.Exit(1)


def _bursts(
    specs: Sequence[ServiceSpec], figures: Figures, scenario: Scenario, seeds: int, *, whole_day: bool, minima: bool
) -> tuple[Simulated, tuple[Run, Sequence[float]]]:
    from dataclasses import replace  # noqa: PLC0415

    from earshot_cli.scaling import load, report, simulate  # noqa: PLC0415

    scenarios = [replace(scenario, seed=scenario.seed + index) for index in range(seeds)]
    runs = []
    for each in scenarios:
        arrivals = each.arrivals()
        runs.append((simulate.simulate(specs, figures, arrivals, each.seconds, seed=each.seed), arrivals))
    configured = specs[0].scaling.minimum
    candidates = range(max(1, configured - 3), configured + _MORE) if minima else ()
    tried = simulate.smallest_minimum(specs, figures, scenarios, specs[0].name, candidates)
    day = None
    if whole_day:
        rate = load.diurnal(mean=scenario.base * _DAY_SHARE)
        highest = max(rate(minute * 60.0) for minute in range(1440)) * 1.01
        arrivals = load.arrivals(rate, load.DAY_S, highest=highest, seed=scenario.seed)
        day = report.day_of(simulate.simulate(specs, figures, arrivals, load.DAY_S, seed=scenario.seed))
    result = report.Simulated(
        scenario=scenario,
        specs=specs,
        verdicts=[simulate.judge(run, each) for (run, _), each in zip(runs, scenarios, strict=True)],
        headrooms=simulate.headroom(runs[0][0], specs, figures, scenario),
        tried=tried,
        day=day,
    )
    return result, runs[0]


def _show(result: Simulated, figures: Figures, output: Output) -> None:
    from earshot_cli.scaling import report  # noqa: PLC0415
    from earshot_cli.scaling.fleet import Conditions  # noqa: PLC0415

    conditions, scenario = Conditions(), result.scenario
    starts = ", ".join(f"{spec.name} {spec.start_s:.0f} s" for spec in result.specs)
    if scenario.recorded:
        came = (
            f"{len(scenario.recorded):,} utterances as recorded, {scenario.base:.2g} a second in the first half minute, "
            f"{scenario.factor:.1f} times as many in the busiest one"
        )
    else:
        came = (
            f"{scenario.base:g} turns a second, {scenario.factor:g} times as many within {scenario.within_s:g} s for "
            f"{scenario.lasts_s / 60:g} min"
        )
    output.show(
        f"costs measured {figures.measured_at} on {figures.machine}",
        f"{came}; a new pod is scheduled within {conditions.schedule_s:g} s, pulled in "
        f"{conditions.pull_s:g} s, starts as measured ({starts}); the autoscaler looks every {conditions.sync_s:g} s\n",
        report.bursts(result),
        "\nheadroom",
        report.headroom(result),
    )
    if result.tried:
        output.show("\nhow many recognisers that takes", report.minima(result, result.specs[0].scaling.minimum))
    if result.day is not None:
        output.show(
            f"\na day of {result.day.turns:,} turns, p95 {result.day.p95_s:.2f} s",
            report.day(result.day),
        )
