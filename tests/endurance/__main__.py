"""Thousands of turns and hundreds of reconnects, after which nothing may have grown: `make endurance`.

Usage: python -m endurance [--turns N] [--reconnects N] [--devices N] [--replicas N] [--keep]

Ends with 1 if memory, descriptors, tasks, connections, subscriptions, consumers or messages grow after the warm-up, or if a
turn was not answered rightly.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from bench.results import machine, table, write_document
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry
from endurance.judging import PER, Trend
from endurance.living import WARM_UP, Life, live

# The warm-up has to last longer than the bus keeps anything that passes, 90 s, however fast the machine is: until then
# streams fill up.
ROUND_S = 6.0


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2000, help="at least so many")
    parser.add_argument("--reconnects", type=int, default=500, help="at least so many")
    parser.add_argument("--devices", type=int, default=10, help="how many talk at once")
    parser.add_argument("--replicas", type=int, default=1, help="of each service")
    parser.add_argument("--keep", action="store_true", help="keep logs and state, and say where")
    arguments = parser.parse_args()
    import uvloop  # noqa: PLC0415 - as the services do

    # Devices in this process would tell of every connection that is lost.
    Telemetry("endurance", "0", ServiceSettings(log_level="error")).start()
    print(f"endurance: {arguments.turns} turns, {arguments.reconnects} reconnects, {machine()}", file=sys.stderr)
    with contextlib.ExitStack() as resources:
        home = tempfile.mkdtemp(prefix="endurance-")
        if arguments.keep:
            print(f"endurance: logs in {home}/logs", file=sys.stderr)
        else:
            resources.callback(shutil.rmtree, home, ignore_errors=True)
        life = uvloop.run(
            live(
                Path(home),
                turns=arguments.turns,
                reconnects=arguments.reconnects,
                devices=arguments.devices,
                replicas=arguments.replicas,
                round_s=ROUND_S,
                say=lambda text: print(text, file=sys.stderr),
            )
        )
    print(told(life))
    print(f"-> {write_document('endurance', document(life))}")
    return 0 if life.passed else 1


def told(life: Life) -> str:
    """Return a run's table and verdict, for people."""
    rows = [_row(trend) for trend in life.trends]
    header = ("of", "figure", "level", f"growth in {PER} turns", "most", "")
    wrong = "".join(f"\n{line}" for line in life.wrong[:20])
    return (
        f"{table(header, rows)}\n\n{life.turns} turns, {life.reconnects} reconnects in {life.seconds:.0f} s; the first "
        f"{WARM_UP:.0%} of the turns were warm-up\n"
        f"growing {len(life.growing)}, turns not answered rightly {len(life.wrong)}, with a concealed frame "
        f"{life.concealed}{wrong}"
    )


def _row(trend: Trend) -> tuple[str, ...]:
    bound = trend.series.kind.value
    most = max(bound.amount, bound.share * trend.level)
    return (
        trend.series.of,
        trend.series.name,
        f"{trend.level:.1f}",
        f"{trend.slope:+.2f}",
        f"{most:.1f}",
        "GROWS" if trend.grows else "",
    )


def document(life: Life) -> dict[str, object]:
    """Return a run as JSON values."""
    slopes: dict[str, dict[str, float]] = {}
    for trend in life.trends:
        slopes.setdefault(trend.series.of, {})[trend.series.name] = round(trend.slope, 3)
    return {
        "turns": life.turns,
        "reconnects": life.reconnects,
        "wrong": len(life.wrong),
        "concealed": life.concealed,
        "growing": [f"{trend.series.of} {trend.series.name}" for trend in life.growing],
        "passed": life.passed,
        "seconds": round(life.seconds, 1),
        "growth_per_1000_turns": slopes,
    }


if __name__ == "__main__":
    sys.exit(main())
