"""A burst that was spoken and recorded holds as those that are drawn do.

`burst.txt` is when each turn of a real stack began, by `make bench-burst`: from one in five seconds to two a second within a
minute. Ten such fleets side by side are the burst that deploy/base is made for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from earshot_cli.capacity.figures import read
from earshot_cli.scaling import load, scaledobjects
from earshot_cli.scaling.simulate import LIMIT_S, headroom, judge, of_recording, services, simulate, with_minimum

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIES = 10

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_recorded_burst_is_answered_within_two_seconds(seed):
    """Ten fleets' recorded load: of every half minute 95 % of the answers begin within 2 s; half of the pods and no autoscaling don't do."""
    figures = read(HERE / "figures.json")
    deployed = services(figures, scaledobjects.read(ROOT / "deploy" / "base"))
    scenario = of_recording(load.copied(load.recorded(HERE / "burst.txt"), COPIES, within_s=5.0, seed=seed), seed)
    run = simulate(deployed, figures, scenario.arrivals(), scenario.seconds, seed=seed)
    assert judge(run, scenario).worst_p95_s <= LIMIT_S
    asr = headroom(run, deployed, figures, scenario)[0]
    assert asr.needed_at_peak >= 8 * asr.needed_before
    fewer = with_minimum(deployed, "asr", deployed[0].scaling.minimum // 2)
    fixed = [replace(spec, scaling=replace(spec.scaling, maximum=spec.scaling.minimum)) for spec in fewer]
    alone = simulate(fixed, figures, scenario.arrivals(), scenario.seconds, seed=seed)
    assert judge(alone, scenario).worst_p95_s > LIMIT_S
