"""Run the dialogue: python -m earshot_dialogue."""

from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_dialogue.composition import composition
from earshot_dialogue.settings import DialogueSettings

if __name__ == "__main__":
    run(Service("dialogue", version("earshot-dialogue"), ServiceSettings()), composition(DialogueSettings()))
