"""Run speech: python -m earshot_tts."""

from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_tts.composition import composition
from earshot_tts.settings import TtsSettings

if __name__ == "__main__":
    run(Service("tts", version("earshot-tts"), ServiceSettings()), composition(TtsSettings()))
