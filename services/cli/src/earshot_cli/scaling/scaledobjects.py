"""ScaledObjects, HorizontalPodAutoscalers and the pods that they scale, read from the folders of deploy/base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from earshot_cli.errors import BadArgumentError, NotFoundError
from earshot_cli.scaling.hpa import Behaviour, Policy, Rules

# What KEDA takes where nothing is said.
_POLLING_S, _COOLDOWN_S, _MINIMUM, _MAXIMUM = 30.0, 300.0, 0, 100
_MILLI = 1_000
_KEYS = {"nats-jetstream": "lagThreshold", "prometheus": "threshold", "cpu": "value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger of a ScaledObject.

    Attributes:
        type: "nats-jetstream", "prometheus", "cpu" and so on.
        name: What people call it.
        metadata: As it stands.
        cached: Whether KEDA answers with what it read at its last poll.
        authentication: Name of the TriggerAuthentication that it refers to; empty: none.
    """

    type: str
    name: str
    metadata: Mapping[str, str]
    cached: bool = False
    authentication: str = ""

    @property
    def target(self) -> float:
        """What one replica may have of its metric; for CPU the share of what it requests.

        Raises:
            BadArgumentError: It says none (code `bad_scaled_object`).
        """
        key = _KEYS.get(self.type, "")
        try:
            value = float(self.metadata[key])
        except (KeyError, ValueError) as error:
            raise BadArgumentError(f"trigger {self.name or self.type}: no {key or 'target'}", code=_BAD) from error
        return value / 100 if self.type == "cpu" else value

    def aiming(self, target: float) -> Trigger:
        """Return this trigger with another target, as its metadata would say it."""
        return replace(self, metadata={**self.metadata, _KEYS.get(self.type, ""): f"{target:g}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledObject:
    """What KEDA is told of one service; without KEDA, what the HorizontalPodAutoscaler is told.

    Attributes:
        name: The object's.
        target: The Deployment that it scales.
        minimum: Replicas that there always are.
        maximum: Replicas beyond which it starts none.
        polling_s: How often KEDA looks.
        cooldown_s: How long it waits before it takes the last replica away.
        behaviour: How fast the HorizontalPodAutoscaler follows.
        triggers: What asks for replicas.
        horizontal: Whether it is a HorizontalPodAutoscaler of its own, without KEDA.
    """

    name: str
    target: str
    minimum: int
    maximum: int
    polling_s: float
    cooldown_s: float
    behaviour: Behaviour
    triggers: tuple[Trigger, ...]
    horizontal: bool = False

    @property
    def kind(self) -> str:
        """What it is in Kubernetes."""
        return "HorizontalPodAutoscaler" if self.horizontal else "ScaledObject"

    @property
    def minimum_field(self) -> str:
        """The field that says its minimum."""
        return "minReplicas" if self.horizontal else "minReplicaCount"

    @property
    def maximum_field(self) -> str:
        """The field that says its maximum."""
        return "maxReplicas" if self.horizontal else "maxReplicaCount"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodShape:
    """What a pod is given.

    Attributes:
        cores: CPU that it requests, and so is sure to have.
        memory_mib: Memory that it requests.
        environment: Its container's variables with literal values.
    """

    cores: float
    memory_mib: float
    environment: Mapping[str, str]


_BAD = "bad_scaled_object"


def scaled_object(document: Mapping[str, Any]) -> ScaledObject:
    """Read a ScaledObject; what it leaves out is what KEDA and Kubernetes take.

    Raises:
        BadArgumentError: It is none, or lacks something (code `bad_scaled_object`).
    """
    try:
        if document["kind"] != "ScaledObject":
            raise BadArgumentError(f"not a ScaledObject but a {document['kind']}", code=_BAD)
        spec = document["spec"]
        advanced = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
        return ScaledObject(
            name=document["metadata"]["name"],
            target=spec["scaleTargetRef"]["name"],
            minimum=int(spec.get("minReplicaCount", _MINIMUM)),
            maximum=int(spec.get("maxReplicaCount", _MAXIMUM)),
            polling_s=float(spec.get("pollingInterval", _POLLING_S)),
            cooldown_s=float(spec.get("cooldownPeriod", _COOLDOWN_S)),
            behaviour=behaviour(advanced),
            triggers=tuple(
                Trigger(
                    type=each["type"],
                    name=each.get("name", ""),
                    metadata=each["metadata"],
                    cached=bool(each.get("useCachedMetrics", False)),
                    authentication=each.get("authenticationRef", {}).get("name", ""),
                )
                for each in spec["triggers"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadArgumentError(f"a ScaledObject without {error}", code=_BAD) from error


def horizontal(document: Mapping[str, Any]) -> ScaledObject:
    """Read a HorizontalPodAutoscaler that scales on CPU.

    Raises:
        BadArgumentError: It is none, lacks something, or scales on something else (code `bad_scaled_object`).
    """
    try:
        spec = document["spec"]
        resources = [metric["resource"] for metric in spec["metrics"]]
        values = [{"cpu": each["target"]["averageUtilization"]}[each["name"]] for each in resources]
        return ScaledObject(
            name=document["metadata"]["name"],
            target=spec["scaleTargetRef"]["name"],
            minimum=int(spec.get("minReplicas", 1)),
            maximum=int(spec["maxReplicas"]),
            polling_s=_POLLING_S,
            cooldown_s=_COOLDOWN_S,
            behaviour=behaviour(spec.get("behavior", {})),
            triggers=tuple(Trigger(type="cpu", name="", metadata={"value": str(value)}) for value in values),
            horizontal=True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadArgumentError(f"a HorizontalPodAutoscaler without {error}", code=_BAD) from error


def behaviour(given: Mapping[str, Any]) -> Behaviour:
    """Return a behaviour: what is given stands in for what Kubernetes takes, field by field."""
    defaults = Behaviour()
    return Behaviour(
        up=_rules(given.get("scaleUp", {}), defaults.up), down=_rules(given.get("scaleDown", {}), defaults.down)
    )


def _rules(given: Mapping[str, Any], default: Rules) -> Rules:
    policies = tuple(
        Policy(type=each["type"], value=int(each["value"]), period_s=float(each["periodSeconds"]))
        for each in given.get("policies", ())
    )
    return Rules(
        stabilisation_s=float(given.get("stabilizationWindowSeconds", default.stabilisation_s)),
        policies=policies or default.policies,
        select=given.get("selectPolicy", default.select),
    )


def pod_shape(document: Mapping[str, Any]) -> PodShape:
    """Read what a Deployment's first container requests.

    Raises:
        BadArgumentError: It requests no CPU or memory (code `bad_deployment`).
    """
    try:
        container = document["spec"]["template"]["spec"]["containers"][0]
        requests = container["resources"]["requests"]
        environment = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
        return PodShape(
            cores=_cores(str(requests["cpu"])), memory_mib=_mib(str(requests["memory"])), environment=environment
        )
    except (KeyError, IndexError, ValueError) as error:
        name = document.get("metadata", {}).get("name", "a Deployment")
        raise BadArgumentError(f"{name}: its first container requests no {error}", code="bad_deployment") from error


def _cores(text: str) -> float:
    return float(text[:-1]) / _MILLI if text.endswith("m") else float(text)


def _mib(text: str) -> float:
    units = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0}
    return float(text[:-2]) * units[text[-2:]] if text[-2:] in units else float(text) / 2**20


def read(base: Path) -> dict[str, tuple[ScaledObject, PodShape]]:
    """Read every folder of deploy/base that has a ScaledObject, by the folder's name.

    Raises:
        NotFoundError: There is none.
        BadArgumentError: A file can't be read.
    """
    found = {}
    for path in sorted(base.glob("*/scaledobject.yaml")):
        try:
            scaling = yaml.safe_load(path.read_text())
            deployment = yaml.safe_load((path.parent / "deployment.yaml").read_text())
        except yaml.YAMLError as error:
            raise BadArgumentError(f"{path}: not YAML: {error}", code=_BAD) from error
        found[path.parent.name] = (scaled_object(scaling), pod_shape(deployment))
    if not found:
        raise NotFoundError(f"{base}: no <service>/scaledobject.yaml in it")
    return found
