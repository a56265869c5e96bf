"""Runs one service of the system under test: python -m chaos.process <module>.

With gates where a test wants them (see `gate`), and on a line of its own to the bus where EARSHOT_CHAOS_LINES has one:
JSON, from the process's name to the address of its line.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import Final

from chaos.gate import GATE

LINES: Final = "EARSHOT_CHAOS_LINES"


def take_own_line() -> None:
    """Connect through this process's line, if it has one."""
    lines = json.loads(os.environ.get(LINES, "{}"))
    name = os.environ.get("EARSHOT_INSTANCE_ID", "")
    if name in lines:
        os.environ["EARSHOT_NATS_URL"] = lines[name]


if __name__ == "__main__":
    take_own_line()
    GATE.watch_publishing()
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
