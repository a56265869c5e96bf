"""The process of a skill: `run` is all that its __main__ calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from earshot.skill.v1 import skill_pb2_grpc
from earshot_chassis import telemetry
from earshot_chassis.service import Service
from earshot_chassis.service import run as run_service
from earshot_skillkit import wire
from earshot_skillkit.dispatch import Dispatcher
from earshot_skillkit.effects import BucketJournal
from earshot_skillkit.errors import BrokenManifestError
from earshot_skillkit.package import SkillPackage, load_package
from earshot_skillkit.registration import Registration
from earshot_skillkit.scheduler_client import GrpcScheduler
from earshot_skillkit.schedules import Schedules
from earshot_skillkit.servicer import NAME, SkillServicer
from earshot_skillkit.settings import SkillSettings
from earshot_skillkit.skill import Host, Skill, handlers_of
from earshot_skillkit.states import BucketStates
from earshot_skillkit.words import BucketWords
from earshot_topology.streams import HOUSEHOLD_WORDS, SKILL_EFFECTS, SKILL_STATES

_WITHDRAWAL_S = 0.2
_REGISTRATION = "registration"


def run(package: str | SkillPackage, build: Callable[[Host], Skill]) -> None:
    """Run a skill until SIGTERM: load its folder, serve it, register it, withdraw it, drain.

    Args:
        package: Its Python package, "earshot_skill_clock", with manifest.yaml, sentences/ and responses/; or the same
            already loaded, for a skill whose words depend on more than its folder.
        build: Makes the skill; usually its class.

    Raises:
        SystemExit: A file of the folder is wrong; the one line on standard error names file and key.
        BrokenSkillError: Code and manifest do not fit each other.
    """
    try:
        loaded = load_package(package) if isinstance(package, str) else package
    except BrokenManifestError as error:
        raise SystemExit(f"{package}: {error.code}: {error}") from None
    settings = SkillSettings()
    service = Service(f"skill-{loaded.manifest.id}", loaded.version, settings)

    async def compose(service: Service) -> None:
        await _compose(service, settings, loaded, build)

    run_service(service, compose)


def start_logs(skill_id: str) -> None:
    """Log as a skill does from now on: for what a skill's process does before it calls `run`."""
    telemetry.start_logs(f"skill-{skill_id}", SkillSettings())


async def _compose(
    service: Service, settings: SkillSettings, package: SkillPackage, build: Callable[[Host], Skill]
) -> None:
    bucket = await service.bus.jetstream.key_value(SKILL_STATES.bucket)
    scheduler = GrpcScheduler(settings.scheduler_target)
    words = await service.bus.jetstream.key_value(HOUSEHOLD_WORDS.bucket)
    host = Host(
        states=BucketStates(bucket, package.manifest.id),
        schedules=Schedules(scheduler),
        words=BucketWords(words, package.manifest.id),
        now=_now,
    )
    skill = build(host)
    dispatcher = Dispatcher(handlers_of(skill, package.manifest), timeout_s=package.manifest.timeout_s, now=_now)
    effects = await service.bus.jetstream.key_value(SKILL_EFFECTS.bucket)
    servicer = SkillServicer(package, dispatcher, BucketJournal(effects, package.manifest.id), _now)
    service.grpc.add(skill_pb2_grpc.add_SkillServicer_to_server, servicer, NAME)
    description = wire.description(package)
    registration = Registration(service.bus, description)
    service.add_check(registration.overdue)

    async def register() -> None:
        # The port is known when the server listens, which is after composition.
        await service.grpc.listening.wait()
        await registration.keep(
            wire.endpoint(
                description,
                instance_id=settings.instance_id,
                target=settings.target(service.grpc.port),
                weight=settings.skill_weight,
            )
        )

    async def leave() -> None:
        # A renewal would undo the withdrawal.
        await service.end_task(_REGISTRATION)
        await registration.withdraw()
        # Readers need a moment to see it; calls that they begin until then are served like those in progress.
        await asyncio.sleep(_WITHDRAWAL_S)

    await skill.start()
    service.on_leave(leave)
    # When calls have ended; the last one added is called first.
    service.on_stop(scheduler.close)
    service.on_stop(skill.stop)
    service.add_task(_REGISTRATION, register)


def _now() -> datetime:
    return datetime.now(UTC)
