"""Run the scheduler: python -m earshot_scheduler."""

from importlib.metadata import version

from earshot_chassis.service import Service, run
from earshot_chassis.settings import ServiceSettings
from earshot_scheduler.composition import composition
from earshot_scheduler.settings import SchedulerSettings

if __name__ == "__main__":
    run(Service("scheduler", version("earshot-scheduler"), ServiceSettings()), composition(SchedulerSettings()))
