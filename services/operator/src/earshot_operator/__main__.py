"""Run the operator: python -m earshot_operator."""

from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_operator.composition import composition
from earshot_operator.settings import OperatorSettings

if __name__ == "__main__":
    service = Service("operator", version("earshot-operator"), ServiceSettings(), waits_for_bus=False)
    run(service, composition(OperatorSettings()))
