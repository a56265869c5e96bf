"""A skill of tests/chaos with an effect outside, as a process: `python -m effects.effect_skill list|lamp|counter`.

The first attempt of a call with "early" in its words waits before the effect, one with "late" after it; a file of these words in
EARSHOT_PAUSES says that it does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from chaos.skills import changing
from earshot_skillkit import Host, Request, Skill, run
from earshot_skillkit.package import load_folder

_PAUSES = {"before effect": "early", "after effect": "late"}


async def _at(point: str, request: Request) -> None:
    code = request.text("code") or ""
    if request.attempt == 1 and _PAUSES[point] in code:
        await asyncio.to_thread((Path(os.environ["EARSHOT_PAUSES"]) / code).touch)
        await asyncio.sleep(10)


def _build(host: Host) -> Skill:
    return changing.SKILLS[_NAME](host, f"{os.environ['EARSHOT_OUTSIDE']}/{_NAME}", _at)


if __name__ == "__main__":
    _NAME = sys.argv[1]
    run(load_folder(changing.FOLDERS[_NAME], version="1.0.0"), _build)
