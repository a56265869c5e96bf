"""Run the trace store: python -m earshot_tracestore."""

from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_tracestore.composition import composition
from earshot_tracestore.settings import TracestoreSettings

if __name__ == "__main__":
    settings = TracestoreSettings()
    run(Service("tracestore", version("earshot-tracestore"), settings), composition(settings))
