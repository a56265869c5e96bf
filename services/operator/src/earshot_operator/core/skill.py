"""A Skill as somebody wrote it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earshot_operator.errors import InvalidSkillError

GROUP = "earshot.dev"
VERSION = "v1alpha1"
PLURAL = "skills"
KIND = "Skill"
API_VERSION = f"{GROUP}/{VERSION}"

# As a manifest has it, without "_", which no name of an object may hold.
ID = re.compile(r"[a-z][a-z0-9]{0,31}")
_SECONDS = re.compile(r"([1-9]\d?)s")
# Set by the operator itself; a secret must not be able to put another bus or another name in its place.
_RESERVED = re.compile(r"EARSHOT_(NATS|GRPC|HTTP|INSTANCE|SKILL|DRAIN|SCHEDULER)_\w+|PATH|HOME|POD_IP|(LD|PYTHON)\w*")

# Of the platform: credentials of the bus, which the operator makes, and its authority.
_PLATFORM_SECRETS = re.compile(r"bus-.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many replicas.

    Attributes:
        minimum: At least.
        maximum: At most.
        lag: What may wait for one replica before there is another one; None: it scales on CPU alone.
        consumer: Stream and durable of its own, by which it scales too; None: it has none.
    """

    minimum: int
    maximum: int
    lag: int | None
    consumer: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVariable:
    """A variable that comes from a key of a Secret."""

    env: str
    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """A place outside of the cluster."""

    cidr: str
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What is to run.

    Attributes:
        id: The skill's, and the object's name.
        namespace: Where.
        uid: Of the object.
        generation: Of its spec.
        image: What runs.
        locales: What it has to speak.
        deadline_s: The longest that one call may take.
        scale: How many.
        scheduler: Whether it sets timers or alarms.
        secrets: Variables from Secrets.
        egress: What it reaches outside.
        cpu: Request.
        memory: Request; the limit is twice as much.
    """

    id: str
    namespace: str
    uid: str
    generation: int
    image: str
    locales: tuple[str, ...]
    deadline_s: int
    scale: Scale
    scheduler: bool
    secrets: tuple[SecretVariable, ...]
    egress: tuple[Egress, ...]
    cpu: str
    memory: str

    @property
    def name(self) -> str:
        """Name of everything that it becomes."""
        return f"skill-{self.id}"

    @property
    def credential(self) -> str:
        """Name of the Secret that holds its bus credential."""
        return f"bus-{self.name}"


def parse(body: Mapping[str, Any]) -> Skill:
    """Read a Skill that the definition's schema has let through, and check it.

    Raises:
        InvalidSkillError: It can't run; the message says why.
    """
    skill = read(body)
    check(skill)
    return skill


def read(body: Mapping[str, Any]) -> Skill:
    """Read a Skill, whether or not it can run.

    Raises:
        InvalidSkillError: It can't be read; the message says why.
    """
    metadata, spec = body["metadata"], body["spec"]
    scale = spec.get("scale", {})
    return Skill(
        id=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        image=spec["image"],
        locales=tuple(spec["locales"]),
        deadline_s=_seconds(spec.get("deadline", "5s")),
        scale=Scale(
            minimum=scale.get("min", 2),
            maximum=scale.get("max", 10),
            lag=scale.get("lag"),
            consumer=_consumer(scale.get("consumer")),
        ),
        scheduler=bool(spec.get("scheduler", False)),
        secrets=tuple(SecretVariable(**each) for each in spec.get("secrets", [])),
        egress=tuple(Egress(cidr=each["cidr"], ports=tuple(each["ports"])) for each in spec.get("egress", [])),
        cpu=spec.get("resources", {}).get("cpu", "100m"),
        memory=spec.get("resources", {}).get("memory", "192Mi"),
    )


def check(skill: Skill) -> None:
    """Look whether a Skill can run.

    Raises:
        InvalidSkillError: It can't; the message says why.
    """
    if ID.fullmatch(skill.id) is None:
        raise InvalidSkillError(f"{skill.id!r} can't be a skill's id: lower case letters and digits, 32 at most")
    if skill.scale.minimum > skill.scale.maximum:
        raise InvalidSkillError(f"scale.min {skill.scale.minimum} is greater than scale.max {skill.scale.maximum}")
    for secret in skill.secrets:
        if _RESERVED.fullmatch(secret.env):
            raise InvalidSkillError(f"the variable {secret.env} is the operator's own")
        if _PLATFORM_SECRETS.fullmatch(secret.name):
            raise InvalidSkillError(f"the Secret {secret.name} is the platform's own")
    for place in skill.egress:
        try:
            ipaddress.ip_network(place.cidr, strict=False)
        except ValueError as error:
            raise InvalidSkillError(f"egress: {error}") from error


def _seconds(text: str) -> int:
    found = _SECONDS.fullmatch(text)
    if found is None or int(found.group(1)) > 30:
        raise InvalidSkillError(f"deadline {text!r}: give 1s to 30s")
    return int(found.group(1))


def _consumer(content: Mapping[str, str] | None) -> tuple[str, str] | None:
    return (content["stream"], content["durable"]) if content else None
