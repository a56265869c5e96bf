"""buf, as `make protos-check` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

_BUF = Path(__file__).resolve().parents[2] / "deploy" / "local" / "buf.py"


def buf(*arguments: Any) -> tuple[int, str]:
    """Run buf; return its exit status and what it says."""
    command = [sys.executable, str(_BUF), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout
