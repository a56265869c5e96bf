"""Run the recogniser: python -m earshot_asr."""

from importlib.metadata import version

from earshot_asr.composition import composition
from earshot_asr.engines.settings import EngineSettings
from earshot_asr.settings import AsrSettings
from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings

if __name__ == "__main__":
    run(Service("asr", version("earshot-asr"), ServiceSettings()), composition(AsrSettings(), EngineSettings()))
