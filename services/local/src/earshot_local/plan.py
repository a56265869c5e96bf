"""What a stack consists of, and each process's command and environment. No process is started here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from earshot_local import lean, patience
from earshot_local.errors import InvalidScaleError, UndeclaredRoleError
from earshot_local.ports import HOST, Ports
from earshot_topology.subjects import SKILLS_API

MAX_REPLICAS = 16
SERVICE_ENTRY_POINTS = "earshot.services"
SKILL_ENTRY_POINTS = "earshot.skills"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One kind of process.

    Attributes:
        name: What people call it; also its log's name and the key of `--scale`.
        module: What `python -m` runs.
        role: Whose credentials it connects with.
        scalable: Whether there may be several.
        after: Services to give a few seconds' start, because what this one learns from them takes it long.
        command: Run instead of the module, for tests.
    """

    name: str
    module: str
    role: str
    scalable: bool = True
    after: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def skill(self) -> str:
        """The skill's id, if it is one."""
        return self.role.removeprefix("skill-") if self.role.startswith("skill-") else ""

    @property
    def core(self) -> bool:
        """Whether no turn is answered without it: it is no skill, and stands in for nothing outside."""
        return bool(self.role) and not self.skill


def discovered(found: Iterable[EntryPoint]) -> tuple[Service, ...]:
    """Return services by name, then skills; left out are those whose package is gone, as after a folder was deleted.

    Args:
        found: Entry points of both groups: the name is the service's, or the skill's id; the value is its package.
    """
    there = sorted(
        (point for point in found if importlib.util.find_spec(point.module) is not None), key=lambda point: point.name
    )
    skills = [
        Service(name=point.name, module=point.module, role=f"skill-{point.name}")
        for point in there
        if point.group == SKILL_ENTRY_POINTS
    ]
    # A vocabulary takes seconds to build: with all skills there, it is built once, and is the one of the last start.
    after = {"asr": ("tts", *(skill.name for skill in skills))}
    services = [
        Service(name=point.name, module=point.module, role=point.name, after=after.get(point.name, ()))
        for point in there
        if point.group == SERVICE_ENTRY_POINTS
    ]
    return (*services, *skills)


def _installed() -> Iterator[EntryPoint]:
    everything = entry_points()
    for group in (SERVICE_ENTRY_POINTS, SKILL_ENTRY_POINTS):
        yield from everything.select(group=group)


SERVICES = discovered(_installed())
SKILLS = tuple(service for service in SERVICES if service.skill)
TRACESTORE = Service(name="tracestore", module="earshot_tracestore", role="tracestore", scalable=False)
WEATHER_SAMPLE = Service(name="weather-sample", module="earshot_local.weather_sample", role="", scalable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One process to run.

    Attributes:
        service: Of what.
        name: What people call it.
        grpc_port: Where it takes calls.
        http_port: Where it tells its health.
        generation: How many were before it in its place.
    """

    service: Service
    name: str
    grpc_port: int
    http_port: int
    generation: int = 0

    @property
    def instance(self) -> str:
        """Its name in logs, traces and leases: another one than its predecessor's, beside which it runs for a moment."""
        return f"{self.name}-{self.generation}" if self.generation else self.name

    @property
    def shared_port(self) -> bool:
        """Whether its successor takes calls where it does: others are told of a skill's replica, and of no service's."""
        return self.service.scalable and not self.service.skill

    def successor(self, ports: Ports) -> Replica:
        """Return what can run beside it and then take its place."""
        grpc_port = self.grpc_port if self.shared_port else ports.take()
        return replace(self, grpc_port=grpc_port, http_port=ports.take(), generation=self.generation + 1)

    @property
    def command(self) -> tuple[str, ...]:
        """The process's arguments. -P keeps the working directory off the import path."""
        return self.service.command or (sys.executable, "-P", lean.__file__, self.service.module)

    @property
    def http_url(self) -> str:
        """Where it tells its health."""
        return f"http://{HOST}:{self.http_port}"


def replicas(services: Sequence[Service], scale: Mapping[str, int], ports: Ports) -> tuple[Replica, ...]:
    """Lay out every replica with its ports.

    Raises:
        InvalidScaleError: The scale names an unknown service, or a number that is not 0 to 16.
        UndeclaredRoleError: Nothing says what a service may do on the bus.
    """
    from earshot_topology.permissions import ROLES  # noqa: PLC0415 - the bus's client, for which no help text waits

    for service in services:
        if service.core and service.role not in ROLES:
            raise UndeclaredRoleError(
                f"earshot_topology.permissions declares no role {service.role!r}: what {service.name} may say and hear on the bus"
            )
    scalable = [service.name for service in services if service.scalable]
    for name, count in scale.items():
        if name not in scalable:
            raise InvalidScaleError(f"there is no service {name!r} to scale; there are {', '.join(scalable)}")
        if not 0 <= count <= MAX_REPLICAS:
            raise InvalidScaleError(f"{name}={count}: give a number from 0 to {MAX_REPLICAS}")
    return tuple(
        Replica(
            service=service,
            name=f"{service.name}-{index}" if service.scalable else service.name,
            grpc_port=ports.take(),
            http_port=ports.take(),
        )
        for service in services
        for index in range(scale.get(service.name, 1))
    )


def parse_scale(text: str) -> dict[str, int]:
    """Read "asr=3,nlu=2".

    Raises:
        InvalidScaleError: It is not of that form.
    """
    scale: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, count = part.partition("=")
        if not equals or not count.strip().isdecimal():
            raise InvalidScaleError(f"can't read {part!r}: give service=number, for instance asr=3,nlu=2")
        scale[name.strip()] = int(count)
    return scale


def target(name: str, layout: Sequence[Replica]) -> str:
    """Return the gRPC target of a service: all its replicas, for round_robin.

    Raises:
        KeyError: It has no replica.
    """
    addresses = [f"{HOST}:{replica.grpc_port}" for replica in layout if replica.service.name == name]
    if not addresses:
        raise KeyError(name)
    return f"ipv4:{','.join(addresses)}"


def shared_environment(
    *, inherited: Mapping[str, str], nats_url: str, otlp_endpoint: str, layout: Sequence[Replica], nodes: int
) -> dict[str, str]:
    """Return what all processes of a stack have in common.

    One thread a numeric library: all processes share the machine. Spans are exported every half second, so that a
    turn can be looked at as soon as it is over. Attributes that hold what users say are recorded: it is the
    developer's own machine, and only its own trace store sees them. gRPC's own lines are left out: its calls that fail
    are told by whoever makes them. On a cluster turns may take as long as its elections. What is inherited wins over
    all of this, but not over where things are.
    """
    targets = {
        f"EARSHOT_{name.upper()}_TARGET": target(name, layout)
        for name in sorted({replica.service.name for replica in layout})
    }
    defaults = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "EARSHOT_LOG_LEVEL": "info",
        "EARSHOT_DRAIN_TIMEOUT_S": "5",
        "EARSHOT_TRACE_PII": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "GRPC_VERBOSITY": "ERROR",
        **patience.of_services(nodes),
    }
    fixed = {
        "PYTHONUNBUFFERED": "1",
        "EARSHOT_NATS_URL": nats_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        **targets,
    }
    return {**defaults, **inherited, **fixed}


def replica_environment(replica: Replica, credentials: Path | None) -> dict[str, str]:
    """Return what is a replica's own."""
    own = {
        "EARSHOT_INSTANCE_ID": replica.instance,
        "EARSHOT_GRPC_HOST": HOST,
        "EARSHOT_GRPC_PORT": str(replica.grpc_port),
        "EARSHOT_GRPC_SHARED_PORT": str(replica.shared_port).lower(),
        "EARSHOT_HTTP_HOST": HOST,
        "EARSHOT_HTTP_PORT": str(replica.http_port),
    }
    if credentials is None:
        return own
    # Skills are users of an account of their own.
    api = {"EARSHOT_NATS_JETSTREAM_API": SKILLS_API} if replica.service.skill else {}
    return own | api | {"EARSHOT_NATS_CREDENTIALS": str(credentials)}
