"""Puts the scheduler together from its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from earshot.device.v1 import upstream_pb2
from earshot.schedule.v1 import schedule_pb2, schedule_pb2_grpc
from earshot_chassis.bus import Bus
from earshot_chassis.pipeline import Pipeline
from earshot_chassis.scheduling import DuePurger
from earshot_chassis.service import Service
from earshot_scheduler.due import DueReader
from earshot_scheduler.editing import ScheduleEditor
from earshot_scheduler.rings import DismissedRings
from earshot_scheduler.servicer import SchedulerServicer
from earshot_scheduler.settings import SchedulerSettings
from earshot_scheduler.store import ScheduleStore
from earshot_scheduler.words import Words
from earshot_topology.streams import SCHEDULER_DUE, SCHEDULER_RINGS
from earshot_topology.tenancy import household_of

_DISMISSALS = 16


class Scheduler:
    """One replica's parts, on a connected bus.

    Attributes:
        servicer: The gRPC face.
        purger: Purges what was due and has been read.
    """

    def __init__(self, bus: Bus, settings: SchedulerSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._pipeline = Pipeline(bus.client)
        self._store = ScheduleStore(
            bus, self._pipeline, over_kept_s=settings.over_kept_s, maximum_age=settings.maximum_age
        )
        words = Words.load(late_after=settings.late_after)
        self._due = DueReader(self._store, self._pipeline, words, maximum_age=settings.maximum_age)
        self._rings = DismissedRings(self._store)
        limits = settings.limits()
        editor = ScheduleEditor(
            bus,
            self._store,
            limits=limits,
            maximum_age=settings.maximum_age,
            household_limit=settings.household_limit,
            household_records=settings.household_records,
        )
        self.servicer = SchedulerServicer(editor, self._store, limits)
        self.purger = DuePurger(bus, SCHEDULER_DUE)

    async def start(self) -> None:
        """Register everything that is consumed, before the bus starts."""
        self._bus.park_for(household_of)
        await self._pipeline.start()
        self._bus.on_reconnect(self._pipeline.reconnected)
        self._bus.batch_worker(SCHEDULER_DUE, schedule_pb2.OccurrenceDue, self._due.due, size=self._settings.batch)
        self._bus.worker(SCHEDULER_RINGS, upstream_pb2.DeviceEvent, self._rings.happened, concurrency=_DISMISSALS)

    async def stop(self) -> None:
        """Leave, when nothing is in progress any more."""
        await self._pipeline.stop()


def composition(settings: SchedulerSettings) -> Callable[[Service], Awaitable[None]]:
    """Return what registers the scheduler with a service."""

    async def compose(service: Service) -> None:
        scheduler = Scheduler(service.bus, settings)
        service.grpc.add(
            schedule_pb2_grpc.add_SchedulerServicer_to_server, scheduler.servicer, "earshot.schedule.v1.Scheduler"
        )
        service.on_start(scheduler.start)
        service.on_stop(scheduler.stop)
        service.add_task("purge", scheduler.purger.keep_purging)

    return compose
