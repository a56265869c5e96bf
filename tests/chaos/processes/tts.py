"""Speech, with a voice whose frames can be told apart."""

from __future__ import annotations

from chaos.engines.tts import CellEngine
from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_tts.composition import composition
from earshot_tts.settings import TtsSettings

if __name__ == "__main__":
    run(Service("tts", "chaos", ServiceSettings()), composition(TtsSettings(), lambda _settings: CellEngine()))
