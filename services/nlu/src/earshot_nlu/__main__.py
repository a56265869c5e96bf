"""Run NLU: python -m earshot_nlu."""

from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_nlu.composition import composition
from earshot_nlu.settings import NluSettings

if __name__ == "__main__":
    run(Service("nlu", version("earshot-nlu"), ServiceSettings()), composition(NluSettings()))
