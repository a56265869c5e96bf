"""Runs one service of the system under test: python -m chaos.process <module>, with gates where a test wants them."""

from __future__ import annotations

import runpy
import sys

from chaos.gate import GATE

if __name__ == "__main__":
    GATE.watch_publishing()
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
