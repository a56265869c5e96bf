"""A skill of tests/chaos with an effect outside, as a process: `python effect_skill.py list|lamp|counter`.

The first attempt of a call with "early" in its words waits before the effect, one with "late" after it.
"""

from __future__ import annotations

import asyncio
import os
import sys

from chaos.skills import changing
from earshot_skillkit import Host, Request, Skill, run
from earshot_skillkit.package import load_folder

_PAUSES = {"before effect": "early", "after effect": "late"}


async def _at(point: str, request: Request) -> None:
    if request.attempt == 1 and _PAUSES[point] in (request.text("code") or ""):
        await asyncio.sleep(10)


def _build(host: Host) -> Skill:
    return changing.SKILLS[_NAME](host, f"{os.environ['EARSHOT_OUTSIDE']}/{_NAME}", _at)


if __name__ == "__main__":
    _NAME = sys.argv[1]
    run(load_folder(changing.FOLDERS[_NAME], version="1.0.0"), _build)
