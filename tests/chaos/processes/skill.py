"""A skill: the command line's second word says which."""

from __future__ import annotations

import os
import sys

from chaos.gate import GATE
from chaos.outside import URL
from chaos.skills import changing, noting, saying
from earshot_skillkit import Host, Request, Skill, run
from earshot_skillkit.package import load_folder


async def _called(request: Request) -> None:
    await GATE.pass_("call echo", request.device_id)


async def _at(point: str, request: Request) -> None:
    await GATE.pass_(f"{point} of {_NAME}", request.device_id)


def _skill(host: Host) -> Skill:
    if _NAME in changing.SKILLS:
        return changing.SKILLS[_NAME](host, f"{os.environ[URL]}/{_NAME}", _at)
    return noting.Note(host) if _NAME == "note" else saying.Echo(host, _called)


_FOLDERS = {**changing.FOLDERS, "note": noting.FOLDER}

if __name__ == "__main__":
    _NAME = sys.argv[2]
    run(load_folder(_FOLDERS.get(_NAME, saying.FOLDER), version="1.0.0"), _skill)
