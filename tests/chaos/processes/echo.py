"""The echo skill."""

from __future__ import annotations

from chaos.echo.skill import FOLDER, Echo
from chaos.gate import GATE
from earshot_skillkit import Request, run
from earshot_skillkit.package import load_folder


async def _called(request: Request) -> None:
    await GATE.pass_("call echo", request.device_id)


if __name__ == "__main__":
    run(load_folder(FOLDER, version="1.0.0"), lambda host: Echo(host, _called))
