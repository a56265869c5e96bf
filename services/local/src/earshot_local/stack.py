"""The whole system on one machine, as an object: what `earshot up`, tests and benchmarks start.

    async with Stack(home=folder, scale={"asr": 3}) as stack:
        await stack.ready()
        stack.nats_url, stack.creds("admin"), stack.grpc_target("dialogue")

The order of the start: lock the folder, end what a killed predecessor left, start nats-server, apply the topology,
then start the trace store and all services at once. Services wait for one another by themselves. The stop goes
backwards: services drain while the bus and the trace store still run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from earshot_local import open_meteo, orphans
from earshot_local.absences import Absences
from earshot_local.bus import LocalBus
from earshot_local.child import Child
from earshot_local.control import Control
from earshot_local.credentials import Credentials
from earshot_local.errors import StartError, UnknownProcessError
from earshot_local.events import Event, Listener, State, nobody
from earshot_local.home import Home, Running
from earshot_local.launch import service_child, tracestore_environment
from earshot_local.lock import FolderLock
from earshot_local.nats_server import Way, directly
from earshot_local.plan import (
    SERVICES,
    TRACESTORE,
    WEATHER_SAMPLE,
    Replica,
    Service,
    replicas,
    shared_environment,
    target,
)
from earshot_local.ports import HOST, Ports
from earshot_local.starting import all_started
from earshot_topology.apply import DestructiveChangeError

_BUS_TIMEOUT_S = 15.0
_CLUSTER_TIMEOUT_S = 40.0
_REPLACING_S = 60.0
_PREFERRED_TRACES_PORT = 8600


class Stack:
    """A running stack.

    Args:
        home: State folder; made if need be.
        scale: Replicas by service; 1 for those not named, 0 leaves one out.
        env: Added to every service's environment.
        services: What to run on the bus.
        listener: Told of every process's states.
        tracestore: Whether to run the trace store.
        fixed_ports: Whether to try the well-known ports first; tests run on free ones alone.
        grace_s: How long a process may take to end after SIGTERM.
        nodes: nats-server processes: 1, or 3 for a cluster with three copies of everything.
        way: Where nodes of a cluster find one another, for tests that come between them.
        fresh: Whether every process is started from nothing, as in its image, and none is forked: for measurements.

    Raises (on entering):
        AlreadyRunningError: Another stack holds the folder.
        MissingProgramError: nats-server is not installed.
        InvalidScaleError: The scale can't be had.
        StartError: nats-server did not start.
    """

    def __init__(
        self,
        *,
        home: Path,
        scale: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        services: Sequence[Service] = SERVICES,
        listener: Listener = nobody,
        tracestore: bool = True,
        fixed_ports: bool = False,
        grace_s: float = 8.0,
        nodes: int = 1,
        way: Way = directly,
        fresh: bool = False,
    ) -> None:
        self._fresh = fresh
        self._nodes = nodes
        self._way = way
        self.home = Home(home)
        self._scale = dict(scale or {})
        self._env = dict(env or {})
        self._services = tuple(services)
        self._listener = listener
        self._with_tracestore = tracestore
        self._fixed_ports = fixed_ports
        self._grace_s = grace_s
        self._lock = FolderLock(self.home.lock)
        self._ports = Ports()
        self._layout: tuple[Replica, ...] = ()
        self._apart: list[Replica] = []
        self._shared: dict[str, str] = {}
        self._control = Control(self.home.control, self.restart)
        self._replacing = asyncio.Lock()
        self._absences = Absences(self.home.absences)
        # The skill of each process that is one's.
        self._skills: dict[str, str] = {}
        self._successor: Child | None = None
        self._children: dict[str, Child] = {}
        self._optional: list[str] = []
        self._bus: LocalBus | None = None
        self._credentials: Credentials | None = None
        self._tracestore_port = 0
        self._otlp_port = 0

    # Where things are.

    @property
    def nats_url(self) -> str:
        """The bus: its nodes, separated by commas."""
        return self._started_bus().url

    def creds(self, role: str) -> Path:
        """Return the credentials file of a role: a service's name, "skill-<id>", "admin" or "system".

        Raises:
            KeyError: There is no such role.
        """
        return self._issuer().service(role)

    def device_credentials(self, household: str, device: str) -> Path:
        """Return the credentials file of a device, which is made at the first call.

        Raises:
            InvalidTokenError: The household or device can't stand in a subject.
        """
        return self._issuer().device(household, device)

    def grpc_target(self, service: str) -> str:
        """Return the gRPC target of a service's replicas.

        Raises:
            KeyError: It does not run.
        """
        return target(service, self._layout)

    def http(self, service: str, replica: int = 0) -> str:
        """Return the base URL of a replica's health and metrics.

        Raises:
            KeyError: There is no such replica.
        """
        urls = [found.http_url for found in (*self._layout, *self._apart) if found.service.name == service]
        if replica >= len(urls):
            raise KeyError(f"{service}-{replica}")
        return urls[replica]

    @property
    def traces_url(self) -> str:
        """The trace store's API."""
        return f"http://{HOST}:{self._tracestore_port}"

    @property
    def otlp_endpoint(self) -> str:
        """The trace store's OTLP over gRPC."""
        return f"http://{HOST}:{self._otlp_port}"

    @property
    def processes(self) -> Mapping[str, Child]:
        """Every process by its name: nats-server, tracestore, asr-0 and so on."""
        return self._children

    # Its life.

    async def __aenter__(self) -> Self:
        """Start everything; services may not be ready yet."""
        self.home.make()
        self._lock.acquire()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self._stop()

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every process is ready.

        Raises:
            StartError: One can't start, told at once; or some are not ready in time. The message names them with their last
                log lines.
        """
        await all_started(self._children.values(), timeout_s)

    async def answering(self, timeout_s: float = 60.0, patience_s: float = 30.0) -> tuple[Child, ...]:
        """Wait until turns are answered: every process is ready but for skills that can't be.

        Args:
            timeout_s: For what no turn is answered without.
            patience_s: For skills, from then on.

        Returns:
            Skills that are not ready. One that can't start is not waited for; it is started again all the same.

        Raises:
            StartError: As `ready`, of what is no skill.
        """
        optional = [self._children[name] for name in self._optional if name in self._children]
        await all_started([child for child in self._children.values() if child not in optional], timeout_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*(child.decided() for child in optional))
        return tuple(child for child in optional if child.state is not State.READY)

    async def restart(self, name: str, timeout_s: float = _REPLACING_S) -> tuple[Child, ...]:
        """Replace the processes of a service or skill, or one process, one after the other.

        Its successor starts beside each, and the old one drains when that one is ready, by the same check as at the start of the
        stack. What can't run twice, the bus, the trace store and the weather sample, ends first and starts then.

        Args:
            name: "dice" or "dice-0".
            timeout_s: How long each of them may take.

        Returns:
            The new ones.

        Raises:
            UnknownProcessError: There is none of this name.
            StartError: One can't start. It and those behind it have stayed as they were.
        """
        async with self._replacing:
            found = [process for process in self._children if name in {process, process.rpartition("-")[0]}]
            if not found:
                raise UnknownProcessError(name, self._children)
            return tuple([await self._replace(process, timeout_s) for process in found])

    async def _replace(self, name: str, timeout_s: float) -> Child:
        old = self._children[name]
        replica = next((each for each in self._layout if each.name == name and each.service.scalable), None)
        if replica is None:
            await old.restarted(timeout_s)
            return old
        successor = replica.successor(self._ports)
        new = self._child_of(successor, self._shared, log=self.home.log_of(f"{name}.next"), listener=self._note)
        self._successor = new
        try:
            new.start()
            await new.proven(timeout_s)
        except BaseException as error:
            # Whoever interrupts this, too, finds it where it is and ends it.
            await new.stop()
            self._successor = None
            if isinstance(error, StartError) and old.state is State.READY:
                raise StartError(f"{error}\n{name} goes on as it was (process {old.pid})") from None
            raise
        self._successor = None
        new.take_over(old)
        self._children[name] = new
        self._layout = tuple(successor if each is replica else each for each in self._layout)
        self.home.write_state(self._running())
        self._heard(Event(process=name, state=State.READY, text=f"ready (process {new.pid}); the one before it ends"))
        await old.stop()
        return new

    async def _start(self) -> None:
        left = orphans.end_recorded(self._record)
        if left:
            self._say(f"ended {left} processes that an earlier stack had left behind")
        self._credentials = Credentials(self.home, [service.skill for service in self._services if service.skill])
        self._credentials.issue_services()
        self._bus = LocalBus(
            self.home,
            self._ports,
            self._credentials,
            preferred=self._fixed_ports,
            nodes=self._nodes,
            way=self._way,
        )
        self._layout = replicas(self._services, self._scale, self._ports)
        self._tracestore_port = self._ports.take(_PREFERRED_TRACES_PORT if self._fixed_ports else 0)
        self._otlp_port = self._ports.take()
        sample_weather, _ = await asyncio.gather(self._sample_weather_wanted(), self._start_bus(self._bus))
        self._start_services(sample_weather=sample_weather)
        await self._control.start()
        self.home.write_state(self._running())

    async def _start_bus(self, bus: LocalBus) -> None:
        servers = bus.children(self._heard)
        for server in servers:
            self._adopt(server)
        try:
            async with asyncio.timeout(_BUS_TIMEOUT_S if self._nodes == 1 else _CLUSTER_TIMEOUT_S):
                await all_started(servers)
                await bus.apply_topology()
        except DestructiveChangeError as error:
            raise StartError(
                f"what an older version keeps in {self.home.nats} would not survive this one: {error}. "
                "Start the older version to use it, or delete the folder."
            ) from error
        except TimeoutError as error:
            tail = "\n  ".join(line for server in servers for line in server.tail())
            raise StartError(f"the bus did not become ready in time:\n  {tail}") from error

    async def _sample_weather_wanted(self) -> bool:
        """Tell whether the weather skill will run and its source can't be reached."""
        runs = any(service.name == "weather" and self._scale.get("weather", 1) for service in self._services)
        chosen = "EARSHOT_WEATHER_API" in {**os.environ, **self._env}
        return runs and not chosen and not await open_meteo.reachable()

    def _start_services(self, *, sample_weather: bool) -> None:
        shared = shared_environment(
            inherited=os.environ,
            nats_url=self.nats_url,
            otlp_endpoint=self.otlp_endpoint if self._with_tracestore else "",
            layout=self._layout,
            nodes=self._nodes,
        )
        shared.setdefault("EARSHOT_MUSIC_DATA_FOLDER", str(self.home.music))
        shared |= self._env
        self._shared = shared
        extra = list(self._layout)
        if self._with_tracestore:
            store = self._replica_of(TRACESTORE, grpc_port=self._otlp_port, http_port=self._ports.take())
            self._apart.append(store)
            self._adopt(self._child_of(store, shared | tracestore_environment(self.home.traces, self._tracestore_port)))
        if sample_weather:
            sample = self._replica_of(WEATHER_SAMPLE, grpc_port=0, http_port=self._ports.take())
            shared |= open_meteo.redirected_to(sample.http_url)
            extra.insert(0, sample)
            self._say("Open-Meteo can't be reached: a local server of its shape answers with sample data")
        made = [(replica, self._child_of(replica, shared)) for replica in extra]
        self._skills = {replica.name: replica.service.skill for replica in extra if replica.service.skill}
        self._absences.begin()
        self._optional = [replica.name for replica in extra if not replica.service.core]
        for replica, child in made:
            after = [other for its, other in made if its.service.name in replica.service.after]
            self._adopt(child, after)

    def _replica_of(self, service: Service, *, grpc_port: int, http_port: int) -> Replica:
        return Replica(service=service, name=service.name, grpc_port=grpc_port, http_port=http_port)

    def _child_of(
        self,
        replica: Replica,
        shared: Mapping[str, str],
        *,
        log: Path | None = None,
        listener: Listener | None = None,
    ) -> Child:
        return service_child(
            replica,
            shared,
            home=self.home,
            credentials=self._issuer(),
            listener=listener or self._heard,
            grace_s=self._grace_s,
            fresh=self._fresh,
            log=log,
        )

    def _heard(self, event: Event) -> None:
        self._note(event)
        if (child := self._children.get(event.process)) is not None and (skill := self._skills.get(event.process)):
            self._absences.note(skill, event.process, event.state, child.ending)
        self._listener(event)

    def _note(self, _event: Event) -> None:
        running = [*self._children.values(), *([self._successor] if self._successor is not None else [])]
        # On a disk that is full there is nobody to tell, and all the more to look after.
        with contextlib.suppress(OSError):
            orphans.record(self._record, [child.pid for child in running if child.pid is not None])
            self.home.write_status([child.described() for child in self._children.values()])

    def _adopt(self, child: Child, after: Sequence[Child] = ()) -> None:
        self._children[child.name] = child
        child.start(after)

    async def _stop(self) -> None:
        await self._control.stop()
        if self._successor is not None:
            await self._successor.stop()
        with contextlib.suppress(FileNotFoundError):
            self.home.state.unlink()
        servers = [name for name in self._children if name.startswith("nats-server")]
        under = [[name for name in ("tracestore",) if name in self._children], servers]
        ending = [[self._children.pop(name) for name in names] for names in under]
        for children in (list(self._children.values()), *ending):
            await asyncio.gather(*(child.stop() for child in children))
        self._record.unlink(missing_ok=True)
        self.home.status.unlink(missing_ok=True)
        self._lock.release()

    @property
    def _record(self) -> Path:
        return self.home.root / "processes.json"

    def _running(self) -> Running:
        names = {replica.service.name for replica in self._layout}
        return Running(
            pid=os.getpid(),
            nats_url=self.nats_url,
            nodes=self._nodes,
            traces_url=self.traces_url if self._with_tracestore else "",
            otlp_endpoint=self.otlp_endpoint if self._with_tracestore else "",
            grpc={name: target(name, self._layout) for name in sorted(names)},
            http={
                name: [replica.http_url for replica in self._layout if replica.service.name == name]
                for name in sorted(names)
            },
        )

    def _say(self, text: str) -> None:
        self._listener(Event(process="", state=None, text=text))

    def _started_bus(self) -> LocalBus:
        if self._bus is None:
            raise RuntimeError("the stack has not been entered")
        return self._bus

    def _issuer(self) -> Credentials:
        if self._credentials is None:
            raise RuntimeError("the stack has not been entered")
        return self._credentials
