"""The recogniser, with an engine that hears digests."""

from __future__ import annotations

from chaos.engines.asr import DigestEngine
from chaos.gate import AUDIO_FRAME, GATE
from earshot_asr.composition import composition
from earshot_asr.engines.settings import EngineSettings
from earshot_asr.settings import AsrSettings
from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings


async def _at_frame(speaker: str, frames: int) -> None:
    if frames == AUDIO_FRAME:
        await GATE.pass_("frame", speaker)


if __name__ == "__main__":
    compose = composition(AsrSettings(), EngineSettings(), lambda _settings, **_: DigestEngine(_at_frame))
    run(Service("asr", "chaos", ServiceSettings()), compose)
