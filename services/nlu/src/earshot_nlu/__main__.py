"""Run NLU: python -m earshot_nlu."""

import os
from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_nlu.composition import composition
from earshot_nlu.settings import NluSettings

# Single characters are read here, which the phrases of pypinyin don't change: 0.2 s and 30 MB that a start goes without.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")

if __name__ == "__main__":
    run(Service("nlu", version("earshot-nlu"), ServiceSettings()), composition(NluSettings()))
